// What scenarios compare with, and how it is built: `wasmtime serve`, wasmtime used directly and bare hyper (both in `copepod-measure`). All with the
// optimisation the addon is built with: release, thin link-time optimisation, one machine.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BUILD } from './guests.ts';
import { end, ENVIRONMENT, freePort, type Server } from './processes.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const CACHE = process.env['COPEPOD_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'copepod');
const WASMTIME = process.env['COPEPOD_BENCH_WASMTIME'] ?? join(CACHE, 'peer', 'bin', 'wasmtime');
const VERSION = '48.0.8';

/** The tuning wasmtime's own documentation gives for serving: pooled slots, their memory kept, as Copepod has it. */
const TUNED = ['-O', 'pooling-allocator=y', '-O', 'pooling-memory-keep-resident=65536', '-O', 'pooling-table-keep-resident=4096'];

/** For a scenario's `missing`: the first tool that is not there, and what to run. */
export function missingTools(...tools: readonly ('wrk' | 'wasmtime' | 'cargo')[]): string | undefined {
  const absent = (tool: string): boolean => spawnSync(tool, ['--version']).error !== undefined;
  if (tools.includes('wrk') && absent('wrk')) return 'wrk is not installed (Debian: apt-get install wrk)';
  if (tools.includes('cargo') && absent('cargo')) return 'Rust is not installed, of which copepod-measure is built';
  if (tools.includes('wasmtime') && !existsSync(WASMTIME)) return `the peer is not built: npm run bench -- --build-peer (cargo install wasmtime-cli ${VERSION}, several minutes), or name one in COPEPOD_BENCH_WASMTIME`;
  return undefined;
}

/** Builds `wasmtime` with the optimisation Copepod's own engine is built with. */
export function buildPeer(): void {
  const features = 'serve,cranelift,run,pooling-allocator,component-model,component-model-async,compile,wat,logging';
  const done = spawnSync('cargo', ['install', 'wasmtime-cli', '--version', `=${VERSION}`, '--locked', '--no-default-features', '--features', features, '--root', join(CACHE, 'peer')], {
    stdio: 'inherit', env: { ...process.env, CARGO_PROFILE_RELEASE_LTO: 'thin', CARGO_TARGET_DIR: join(CACHE, 'peer', 'target') },
  });
  if (done.status !== 0) throw new Error('the peer could not be built');
}

export interface ServeOptions {
  /** Requests an instance answers in its life. Default: 1, for WASI 0.3 too, whose own default is 128. */
  readonly reuses?: number;
  /** Flags beside the tuning's. */
  readonly flags?: readonly string[];
}

/** `wasmtime serve` of a component; resolves as soon as the process is started. */
export async function startPeer(component: string, { reuses = 1, flags = [] }: ServeOptions = {}): Promise<Server> {
  const port = await freePort();
  const args = ['serve', '-Scli', ...TUNED, ...flags, '--max-instance-reuse-count', String(reuses), '--addr', `127.0.0.1:${port}`, component];
  const child = spawn(WASMTIME, args, { stdio: 'ignore', env: ENVIRONMENT });
  if (child.pid === undefined) throw new Error(`${WASMTIME} cannot be started`);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => end(child) };
}

/** `wasmtime serve` of what `wasmtime compile` made of the component with the same flags; compiled once for a file and its flags. */
export async function startPrecompiledPeer(component: string, options: ServeOptions = {}): Promise<Server> {
  const { flags = [] } = options;
  const folder = join(BUILD, 'peer');
  mkdirSync(folder, { recursive: true });
  const compiled = join(folder, `${basename(component, '.wasm')}${flags.join('')}.cwasm`);
  if (!existsSync(compiled) || statSync(compiled).mtimeMs < Math.max(statSync(component).mtimeMs, statSync(WASMTIME).mtimeMs)) {
    const done = spawnSync(WASMTIME, ['compile', ...TUNED, ...flags, '-o', compiled, component], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (done.status !== 0) throw new Error(`wasmtime compile ${component} failed`);
  }
  return startPeer(compiled, { ...options, flags: [...flags, '--allow-precompiled'] });
}

let measure: string | undefined = process.env['COPEPOD_BENCH_MEASURE'];

/** `copepod-measure`, built from the sources as they are unless COPEPOD_BENCH_MEASURE names one. */
function measureBinary(): string {
  if (measure !== undefined) return measure;
  process.stderr.write('bench: building copepod-measure (minutes the first time) …\n');
  const target = join(CACHE, 'target');
  const done = spawnSync('cargo', ['build', '--release', '--locked', '--quiet', '-p', 'copepod-measure'], {
    cwd: join(ROOT, 'wasm-runtime'), stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, CARGO_TARGET_DIR: target },
  });
  if (done.status !== 0) throw new Error('copepod-measure could not be built');
  measure = join(target, 'release', 'copepod-measure');
  return measure;
}

/** Figures of `copepod-measure`: samples by metric, by subject. */
export async function runMeasure(...args: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>> {
  const child = spawn(measureBinary(), args, { stdio: ['ignore', 'pipe', 'inherit'], env: ENVIRONMENT });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  if ((await code) !== 0) throw new Error(`copepod-measure ${args.join(' ')} failed`);
  const figures = new Map<string, Map<string, number[]>>();
  for (const line of text.trim().split('\n')) {
    const [subject = '', metric = '', samples = ''] = line.split('\t');
    const known = figures.get(subject) ?? new Map<string, number[]>();
    figures.set(subject, known.set(metric, samples.split(' ').map(Number)));
  }
  return figures;
}

/** hyper alone, answering the bytes of `hello-tiny`. */
export async function startHyper(): Promise<Server> {
  const binary = measureBinary();
  const port = await freePort();
  const child = spawn(binary, ['hyper', String(port)], { stdio: ['ignore', 'ignore', 'inherit'], env: ENVIRONMENT });
  if (child.pid === undefined) throw new Error(`${binary} cannot be started`);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => end(child) };
}
