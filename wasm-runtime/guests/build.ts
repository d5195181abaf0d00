// Builds the test components from their WAT sources into build/. What a guest is for stands in its first line.

import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco';
import { WORLDS } from './wit.ts';

const WORLD_OF: Readonly<Record<string, string>> = {
  hello: 'service', trap: 'service', spin: 'service', silent: 'service', bomb: 'service',
  lines: 'command', fails: 'command', busy: 'command', crash: 'command', stranger: 'stranger', idle: 'idle',
};

const folder = import.meta.dirname;
const out = join(folder, 'build');
const wit = join(out, 'wit');

async function layWit(): Promise<void> {
  const builtin = join(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))), '..', 'lib', 'wit', 'builtin', '0.2.12');
  await rm(wit, { recursive: true, force: true });
  await mkdir(join(wit, 'deps'), { recursive: true });
  await cp(builtin, join(wit, 'deps'), { recursive: true });
  await writeFile(join(wit, 'world.wit'), WORLDS);
}

await layWit();
for (const file of (await readdir(folder)).filter((name) => name.endsWith('.wat'))) {
  const name = file.replace(/\.wat$/, '');
  const worldName = WORLD_OF[name];
  if (worldName === undefined) throw new Error(`${file} has no world: give it one in ${join(folder, 'build.ts')}`);
  const core = await parse(await readFile(join(folder, file), 'utf8'));
  await writeFile(join(out, `${name}.core.wasm`), core);
  const embedded = await componentEmbed({ binary: core, witPath: wit, world: worldName, stringEncoding: 'utf8' });
  await writeFile(join(out, `${name}.wasm`), await componentNew(embedded, []));
}
