// The etcd the store is measured against, and the load on it: a small Go program over etcd's own client. Both are optional.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = process.env['COPEPOD_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'copepod');
const LOAD = join(CACHE, 'peer', 'bin', 'etcd-load');

/** COPEPOD_BENCH_ETCD, else what was built for the bench, else the machine's own. */
export function findEtcd(): string | undefined {
  const candidates = [process.env['COPEPOD_BENCH_ETCD'], join(CACHE, 'peer', 'bin', 'etcd'), 'etcd'];
  return candidates.find((candidate) => candidate !== undefined && spawnSync(candidate, ['--version']).status === 0);
}

export function etcdVersion(etcd: string): string {
  return /etcd Version: (\S+)/.exec(spawnSync(etcd, ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? 'unknown';
}

/** Why etcd cannot be measured here, or undefined. */
export function missingEtcd(): string | undefined {
  if (findEtcd() === undefined) return 'there is no etcd (Debian: apt-get install etcd-server), or name one in COPEPOD_BENCH_ETCD';
  if (existsSync(LOAD)) return undefined;
  const built = spawnSync('go', ['build', '-o', LOAD, '.'], { cwd: join(import.meta.dirname, '..', 'etcd-load'), encoding: 'utf8' });
  return built.status === 0 ? undefined : `the load on etcd cannot be built: ${built.error?.message ?? built.stderr.trim()}`;
}

export interface Load {
  readonly rate: number;
  /** Milliseconds. */
  readonly p99: number;
}

export interface Etcd {
  readonly pid: number;
  load(mode: 'put' | 'get', options: { readonly clients: number; readonly total: number; readonly size?: number; readonly keys?: number; readonly first?: number }): Promise<Load>;
  stop(): Promise<void>;
}

/** With etcd's own defaults, on loopback. Resolves when it answers. */
export async function startEtcd(folder: string): Promise<Etcd> {
  const [client, peer] = [await freePort(), await freePort()];
  const endpoint = `http://127.0.0.1:${client}`;
  const args = ['--data-dir', folder, '--listen-client-urls', endpoint, '--advertise-client-urls', endpoint, '--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`, '--initial-cluster', `default=http://127.0.0.1:${peer}`];
  const child = spawn(findEtcd() ?? 'etcd', args, { stdio: 'ignore' });
  await untilReady(child, endpoint);
  return {
    pid: child.pid ?? 0,
    async load(mode, { clients, total, size = 256, keys = 1_000_000_000, first = 0 }) {
      const loader = spawn(LOAD, ['-endpoint', `127.0.0.1:${client}`, '-mode', mode, '-clients', String(clients), '-total', String(total), '-size', String(size), '-keys', String(keys), '-first', String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      for await (const chunk of loader.stdout) text += String(chunk);
      return JSON.parse(text) as Load;
    },
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function untilReady(child: ChildProcess, endpoint: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}`);
    try {
      if ((await fetch(`${endpoint}/health`)).ok) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
