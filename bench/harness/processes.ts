// The processes of ours that scenarios measure: a cluster as users run it, and the runtime alone. Everything listens on loopback only.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHttpsTransport, loadKubeconfig, type Transport } from '@copepod/client/rest';
import { BUILD } from './guests.ts';
import type { RuntimeRequest } from './runtime-process.ts';

const BIN = join(dirname(dirname(import.meta.dirname)), 'bin');
const COPEPOD = join(BIN, 'copepod');

/** A captured stack for each error would weigh on whoever makes errors on the way, ours and the peer's alike. */
export const ENVIRONMENT = { ...process.env, RUST_BACKTRACE: '0', RUST_LIB_BACKTRACE: '0' };

/** A process that answers HTTP at `url`. */
export interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
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

/** The runtime in a Node process, as the node agent opens it, and nothing else of the product; resolves when it answers. */
export async function startRuntime(wanted: Omit<RuntimeRequest, 'folder'>): Promise<Server> {
  const request: RuntimeRequest = { ...wanted, folder: BUILD };
  const child = spawn(join(BIN, 'copepod-node'), [join(import.meta.dirname, 'runtime-process.ts'), JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'inherit'], env: ENVIRONMENT });
  if (child.pid === undefined) throw new Error('the runtime cannot be started');
  for await (const port of createInterface({ input: child.stdout })) return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => end(child) };
  throw new Error('the runtime ended before it was ready');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
