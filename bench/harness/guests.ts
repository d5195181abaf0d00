// The components scenarios run beside the examples: built from bench/guests into bench/build when first asked for, and again when their source changed.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Guest {
  readonly source: string;
  readonly wasi: '0.2.12' | '0.3.0';
  /** The component's world, in WIT. */
  readonly world: string;
}

const GUESTS = {
  caller: { source: 'caller.wat', wasi: '0.2.12', world: 'import wasi:http/types@0.2.12; import wasi:http/outgoing-handler@0.2.12; export wasi:http/incoming-handler@0.2.12;' },
  daemon: { source: 'daemon.wat', wasi: '0.2.12', world: 'import wasi:clocks/monotonic-clock@0.2.12; export wasi:cli/run@0.2.12;' },
  looping: { source: 'looping.wat', wasi: '0.2.12', world: 'export wasi:cli/run@0.2.12;' },
  starling: { source: 'starling.js', wasi: '0.2.12', world: 'import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12;' },
  quickjs: { source: 'quickjs.js', wasi: '0.3.0', world: 'import wasi:http/types@0.3.0; export wasi:http/handler@0.3.0;' },
} as const satisfies Readonly<Record<string, Guest>>;

export type GuestName = keyof typeof GUESTS;

const BENCH = dirname(import.meta.dirname);
export const BUILD = join(BENCH, 'build');
const ROOT = dirname(BENCH);
export const example = (name: string): string => join(ROOT, 'examples', name, 'build', `${name}.wasm`);

/** The component's file. */
export async function guest(name: GuestName): Promise<string> {
  const { source, wasi, world }: Guest = GUESTS[name];
  const target = join(BUILD, `${name}.wasm`);
  const text = readFileSync(join(BENCH, 'guests', source), 'utf8');
  const jco = dirname(dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco'))));
  const key = createHash('sha256').update(text).update(world).update(readFileSync(join(jco, 'package.json'))).digest('hex');
  const stamp = `${target}.key`;
  if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return target;
  process.stderr.write(`bench: building guest ${name} …\n`);
  const wit = join(BUILD, `${name}-wit`);
  rmSync(wit, { recursive: true, force: true });
  mkdirSync(wit, { recursive: true });
  cpSync(join(jco, 'lib', 'wit', 'builtin', wasi), join(wit, 'deps'), { recursive: true });
  writeFileSync(join(wit, 'world.wit'), `package copepod:bench;\nworld guest { ${world} }\n`);
  const partial = `${target}.partial`;
  if (source.endsWith('.wat')) await fromWat(text, wit, partial);
  else fromJavaScript(join(BENCH, 'guests', source), wit, partial, wasi);
  renameSync(partial, target);
  writeFileSync(stamp, key);
  return target;
}

async function fromWat(text: string, wit: string, target: string): Promise<void> {
  const { componentEmbed, componentNew, parse } = await import('@bytecodealliance/jco');
  const embedded = await componentEmbed({ binary: await parse(text), witPath: wit, world: 'guest', stringEncoding: 'utf8' });
  writeFileSync(target, await componentNew(embedded, []));
}

/** WASI 0.2 on StarlingMonkey, 0.3 on QuickJS: each is what the other cannot. */
function fromJavaScript(script: string, wit: string, target: string, wasi: Guest['wasi']): void {
  const tools = join(ROOT, 'node_modules', '.bin');
  const [tool, args] = wasi === '0.2.12'
    ? ['jco', ['componentize', script, '--wit', wit, '--world-name', 'guest', '--disable', 'all', '--out', target]] as const
    : ['componentize-qjs', ['--wit', wit, '--world', 'guest', '--js', script, '--opt-size', '--output', target]] as const;
  const done = spawnSync(join(tools, tool), args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status !== 0) throw new Error(`${tool} did not build ${script}`);
}
