// Builds the examples: `bin/copepod-node examples/build.ts [name…]`. Each becomes examples/<name>/build/<name>.wasm; what has not changed
// since is left alone.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Example {
  readonly source: string;
  readonly wasi: '0.2.12' | '0.3.0';
  /** The component's world, in WIT. */
  readonly world: string;
}

const EXAMPLES: Readonly<Record<string, Example>> = {
  hello: { source: 'hello.ts', wasi: '0.3.0', world: 'import wasi:cli/environment@0.3.0; import wasi:http/types@0.3.0; export wasi:http/handler@0.3.0;' },
  'hello-tiny': { source: 'hello-tiny.wat', wasi: '0.2.12', world: 'import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12;' },
  counter: { source: 'counter.wat', wasi: '0.2.12', world: 'import wasi:cli/stdout@0.2.12; import wasi:clocks/monotonic-clock@0.2.12; export wasi:cli/run@0.2.12;' },
  visits: {
    source: 'visits.ts', wasi: '0.3.0',
    world: 'import wasi:config/store@0.2.0-rc.1; import wasi:keyvalue/store@0.2.0-draft; import wasi:keyvalue/atomics@0.2.0-draft; import wasi:http/types@0.3.0; export wasi:http/handler@0.3.0;',
  },
  caller: { source: 'caller.wat', wasi: '0.2.12', world: 'import wasi:http/types@0.2.12; import wasi:http/outgoing-handler@0.2.12; export wasi:http/incoming-handler@0.2.12;' },
};

const folder = import.meta.dirname;
const jco = dirname(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))));

async function build(name: string, { source, wasi, world }: Example): Promise<void> {
  const out = join(folder, name, 'build');
  const target = join(out, `${name}.wasm`);
  const text = readFileSync(join(folder, name, source), 'utf8');
  /** Interfaces that jco does not bring. */
  const own = join(folder, name, 'wit');
  const packages = existsSync(own) ? globSync('*/*.wit', { cwd: own }).sort() : [];
  const key = createHash('sha256').update(text).update(world).update(packages.map((path) => readFileSync(join(own, path), 'utf8')).join('')).update(readFileSync(join(jco, 'package.json'))).digest('hex');
  const stamp = join(out, '.key');
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  process.stderr.write(`examples: building ${name} …\n`);
  const wit = join(out, 'wit');
  rmSync(wit, { recursive: true, force: true });
  mkdirSync(wit, { recursive: true });
  cpSync(join(jco, 'lib', 'wit', 'builtin', wasi), join(wit, 'deps'), { recursive: true });
  if (packages.length > 0) cpSync(own, join(wit, 'deps'), { recursive: true });
  writeFileSync(join(wit, 'world.wit'), `package copepod:example;\nworld example { ${world} }\n`);
  const partial = `${target}.partial`;
  if (source.endsWith('.wat')) await fromWat(text, wit, partial);
  else fromTypeScript(text, { wit, out, target: partial });
  renameSync(partial, target);
  writeFileSync(stamp, key);
}

async function fromWat(text: string, wit: string, target: string): Promise<void> {
  const { componentEmbed, componentNew, parse } = await import('@bytecodealliance/jco');
  const embedded = await componentEmbed({ binary: await parse(text), witPath: wit, world: 'example', stringEncoding: 'utf8' });
  writeFileSync(target, await componentNew(embedded, []));
}

function fromTypeScript(text: string, { wit, out, target }: { readonly wit: string; readonly out: string; readonly target: string }): void {
  const script = join(out, 'source.js');
  writeFileSync(script, stripTypeScriptTypes(text));
  const tool = join(dirname(dirname(jco)), '.bin', 'componentize-qjs');
  execFileSync(tool, ['--wit', wit, '--world', 'example', '--js', script, '--opt-size', '--output', target], { stdio: ['ignore', 'ignore', 'inherit'] });
}

const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (EXAMPLES[name] === undefined) {
    process.stderr.write(`there is no example "${name}"; there are ${Object.keys(EXAMPLES).join(', ')}\n`);
    process.exit(2);
  }
}
for (const [name, example] of Object.entries(EXAMPLES)) if (wanted.length === 0 || wanted.includes(name)) await build(name, example);
