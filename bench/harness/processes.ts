// The processes scenarios measure: a cluster as users run it, the peer, and the load generator. Everything listens on loopback only.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpsTransport, loadKubeconfig, type Transport } from '@copepod/client/rest';

const ROOT = dirname(dirname(import.meta.dirname));
export const COPEPOD = join(ROOT, 'bin', 'copepod');
const CACHE = process.env['COPEPOD_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'copepod');
export const WASMTIME = process.env['COPEPOD_BENCH_WASMTIME'] ?? join(CACHE, 'peer', 'bin', 'wasmtime');
export const example = (name: string): string => join(ROOT, 'examples', name, 'build', `${name}.wasm`);

/** A captured stack for each error would weigh on whoever makes errors on the way, ours and the peer's alike. */
const ENVIRONMENT = { ...process.env, RUST_BACKTRACE: '0', RUST_LIB_BACKTRACE: '0' };

/** The tuning wasmtime's own documentation gives for serving: pooled slots, their memory kept, as Copepod has it. */
const TUNED = ['-O', 'pooling-allocator=y', '-O', 'pooling-memory-keep-resident=65536', '-O', 'pooling-table-keep-resident=4096'];

export function missingTools(...tools: readonly ('wrk' | 'wasmtime')[]): string | undefined {
  if (tools.includes('wrk') && spawnSync('wrk', ['--version']).error !== undefined) return 'wrk is not installed (Debian: apt-get install wrk)';
  if (tools.includes('wasmtime') && !existsSync(WASMTIME)) return `the peer is not built: npm run bench -- --build-peer (cargo install wasmtime-cli 48.0.8, several minutes), or name one in COPEPOD_BENCH_WASMTIME`;
  return undefined;
}

export interface Cluster {
  readonly pid: number;
  readonly gateway: string;
  readonly transport: Transport;
  copepod(...args: readonly string[]): void;
  stop(): Promise<void>;
}

export async function startCluster(): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-bench-'));
  const child = spawn(COPEPOD, ['up', '--data-dir', folder, '--api-port', '0', '--gateway-port', '0', '--log-level', 'warn'], { stdio: ['ignore', 'ignore', 'inherit'], env: ENVIRONMENT });
  const state = join(folder, 'state.json');
  while (!existsSync(state)) {
    if (child.exitCode !== null) throw new Error(`copepod up ended with ${child.exitCode}`);
    await sleep(20);
  }
  const { gatewayUrl, kubeconfig, pid } = JSON.parse(readFileSync(state, 'utf8')) as { gatewayUrl: string; kubeconfig: string; pid: number };
  const transport = createHttpsTransport(await loadKubeconfig(kubeconfig));
  return {
    pid, transport, gateway: gatewayUrl.replace('localhost', '127.0.0.1'),
    copepod(...args) {
      const done = spawnSync(COPEPOD, [...args, '--kubeconfig', kubeconfig], { encoding: 'utf8' });
      if (done.status !== 0) throw new Error(`copepod ${args.join(' ')}: ${done.stderr}`);
    },
    async stop() {
      await transport.close();
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface Peer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** `wasmtime serve` of the same version on the same component; resolves as soon as the process is started. */
export async function startPeer(component: string): Promise<Peer> {
  const port = await freePort();
  const child = spawn(WASMTIME, ['serve', '-Scli', ...TUNED, '--addr', `127.0.0.1:${port}`, component], { stdio: 'ignore', env: ENVIRONMENT });
  if (child.pid === undefined) throw new Error(`${WASMTIME} cannot be started`);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => end(child) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** Status of one GET on a connection of its own; 0 when there was none. */
export function status(url: string, host?: string): Promise<number> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false, ...(host === undefined ? {} : { headers: { host } }) }, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode ?? 0);
    });
    outgoing.on('error', () => resolve(0));
    outgoing.end();
  });
}

/** Milliseconds until the URL answers 200; asked every millisecond. */
export async function untilAnswer(url: string, host?: string): Promise<number> {
  const began = performance.now();
  while ((await status(url, host)) !== 200) {
    if (performance.now() - began > 120_000) throw new Error(`${url} did not answer within two minutes`);
    await sleep(1);
  }
  return performance.now() - began;
}

export interface Load {
  readonly requestsPerSecond: number;
}

/** wrk, one thread; a run with a single answer that is not 2xx, or a socket error, is an error. */
export async function wrk(url: string, options: { readonly connections: number; readonly seconds: number; readonly host?: string }): Promise<Load> {
  const args = ['-t1', `-c${options.connections}`, `-d${options.seconds}`, ...(options.host === undefined ? [] : ['-H', `Host: ${options.host}`]), url];
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  if (/Non-2xx|Socket errors/.test(text) || !Number.isFinite(rate)) throw new Error(`wrk ${args.join(' ')}:\n${text}`);
  return { requestsPerSecond: rate };
}

/** Proportional set size of a process, MiB: memory shared with others counts in part. */
export function memoryOf(pid: number): number {
  const kilobytes = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
  return kilobytes / 1024;
}

/** Builds the peer with the optimisation Copepod's own engine is built with. */
export function buildPeer(): void {
  const features = 'serve,cranelift,run,pooling-allocator,component-model,component-model-async,compile,wat,logging';
  const done = spawnSync('cargo', ['install', 'wasmtime-cli', '--version', '=48.0.8', '--locked', '--no-default-features', '--features', features, '--root', join(CACHE, 'peer')], {
    stdio: 'inherit', env: { ...process.env, CARGO_PROFILE_RELEASE_LTO: 'thin', CARGO_TARGET_DIR: join(CACHE, 'peer', 'target') },
  });
  if (done.status !== 0) throw new Error('the peer could not be built');
}
