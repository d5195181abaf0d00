// Builds the test guests and hostile guests from their sources into build/: `bin/copepod-node wasm-runtime/guests/build.ts [name…]`. What a guest is for stands in its
// first line. One that has not changed since is left alone.

import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compileAssemblyScript } from './tools/assembly-script.ts';
import { componentOf } from './tools/component.ts';
import { componentOfScript } from './tools/script.ts';
import { layWit } from './tools/wit.ts';

const folder = import.meta.dirname;
const out = join(folder, 'build');
const SOURCES = ['.wat', '.as', '.js', '.ts'];

/** What a generator in TypeScript exports: the file a hostile guest is delivered as, whatever it holds. */
interface Generator {
  readonly generate: (build: (wat: string) => Promise<Uint8Array>, built: (guest: string) => Promise<Uint8Array>) => Promise<Uint8Array>;
}

interface Guest {
  /** Below build/, without its ending. */
  readonly name: string;
  readonly source: string;
}

async function guests(): Promise<readonly Guest[]> {
  const plain = (await readdir(folder)).filter((file) => ['.wat', '.as', '.js'].includes(extname(file)));
  const hostile = await readdir(join(folder, 'hostile'));
  return [
    ...plain.map((file) => ({ name: basename(file, extname(file)), source: join(folder, file) })),
    ...(await Promise.all(hostile.map(async (name) => {
      const source = (await readdir(join(folder, 'hostile', name))).find((file) => SOURCES.includes(extname(file)));
      if (source === undefined) throw new Error(`hostile/${name} has no source`);
      return { name: `hostile/${name}`, source: join(folder, 'hostile', name, source) };
    }))),
  ];
}

/** Everything that all guests of a language are made with. */
async function toolsHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const place of [folder, join(folder, 'tools'), join(folder, 'kit')]) {
    for (const file of (await readdir(place)).filter((name) => name === 'build.ts' || place !== folder).sort()) hash.update(await readFile(join(place, file)));
  }
  for (const tool of ['@bytecodealliance/jco', 'assemblyscript']) {
    hash.update(await readFile(join(packageFolder(tool), 'package.json')));
  }
  return hash.digest('hex');
}

function packageFolder(name: string): string {
  const entry = fileURLToPath(import.meta.resolve(name));
  return entry.slice(0, entry.lastIndexOf(join('node_modules', ...name.split('/'))) + join('node_modules', ...name.split('/')).length);
}

async function make({ source }: Guest, wit: string): Promise<Uint8Array> {
  switch (extname(source)) {
    case '.wat':
      return componentOf(await readFile(source, 'utf8'), wit);
    case '.as':
      return componentOf(await compileAssemblyScript(source), wit);
    case '.js':
      return componentOfScript(source, out);
    default: {
      const { generate } = (await import(pathToFileURL(source).href)) as Generator;
      return generate(async (wat) => componentOf(wat, wit), async (name) => readFile(join(out, `${name}.wasm`)));
    }
  }
}

async function build(guest: Guest, wit: string, tools: string): Promise<void> {
  const target = join(out, `${guest.name}.wasm`);
  const stamp = join(out, `${guest.name}.key`);
  const key = createHash('sha256').update(tools).update(await readFile(guest.source)).digest('hex');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === key) return;
  try {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(`${target}.partial`, await make(guest, wit));
    await rename(`${target}.partial`, target);
    await writeFile(stamp, key);
  } catch (cause) {
    throw new Error(`${guest.source} cannot be built`, { cause });
  }
}

await mkdir(out, { recursive: true });
const wit = await layWit(out);
const tools = await toolsHash();
const wanted = process.argv.slice(2);
// Generators come last: they start from what is built.
const all = [...(await guests())].sort((a, b) => Number(a.source.endsWith('.ts')) - Number(b.source.endsWith('.ts')));
for (const guest of all) if (wanted.length === 0 || wanted.includes(guest.name)) await build(guest, wit, tools);
