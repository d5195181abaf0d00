// Three masters on an etcd of three, as processes on this machine: what the tests of high availability and the failover figures run on.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { etcdVersion, type LocalEtcd, startLocalEtcd } from '@copepod/control-plane/local-etcd';
import { createHttpsTransport, loadKubeconfig, type Transport } from '@copepod/client/rest';
import { collect, COPEPOD, end, eventually, run, type Result } from '../cluster.ts';

/** The etcd to use: the PATH's, or what COPEPOD_ETCD names. */
export const ETCD = process.env['COPEPOD_ETCD'] ?? 'etcd';

/** Why a test that needs etcd cannot run, or false. */
export const withoutEtcd: string | false = etcdVersion(ETCD) === undefined ? `no etcd to run: ${ETCD} is not on the PATH (Debian: apt-get install etcd-server)` : false;

export interface Master {
  readonly name: string;
  readonly url: string;
  readonly kubeconfig: string;
  readonly joinToken: string;
  readonly pid: number;
  readonly output: () => string;
  signal(signal: NodeJS.Signals): void;
  /** Ends it at once and waits until it is gone. */
  kill(): Promise<void>;
  /** Asks it to end; its exit code. */
  stop(): Promise<number>;
  transport(): Promise<Transport>;
}

export interface MastersOptions {
  readonly folder: string;
  readonly masters?: number;
  readonly members?: number;
  readonly args?: readonly string[];
}

export interface Masters {
  readonly etcd: LocalEtcd;
  readonly masters: Master[];
  /** Starts one more, or one again: same name, same data, same port. */
  start(name: string, port?: number): Promise<Master>;
  close(): Promise<void>;
}

export async function startMasters({ folder, masters: count = 3, members = 3, args = [] }: MastersOptions): Promise<Masters> {
  mkdirSync(folder, { recursive: true });
  const secret = join(folder, 'cluster-secret');
  writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
  const etcd = await startLocalEtcd({ folder: join(folder, 'etcd'), members, binary: ETCD, args: ['--log-level', 'error'] });
  const masters: Master[] = [];
  const started = new Set<Master>();
  const start = async (name: string, port = 0): Promise<Master> => {
    // Each asks the etcd of its own machine first.
    const own = (Number(/\d+$/.exec(name)?.[0] ?? '1') - 1) % members;
    const endpoints = [...etcd.endpoints.slice(own), ...etcd.endpoints.slice(0, own)];
    const master = await startMaster({ name, folder: join(folder, name), args: ['--store', 'etcd', '--etcd-endpoints', endpoints.join(','), '--cluster-secret-file', secret, '--host', '127.0.0.1', '--api-port', String(port), ...args] });
    started.add(master);
    return master;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...started].map((master) => master.kill()));
    await etcd.close();
  };
  try {
    masters.push(...await Promise.all(Array.from({ length: count }, (_, index) => start(`master-${index + 1}`))));
  } catch (error) {
    await close();
    throw error;
  }
  return { etcd, masters, start, close };
}

async function startMaster({ name, folder, args }: { readonly name: string; readonly folder: string; readonly args: readonly string[] }): Promise<Master> {
  const child = spawn(COPEPOD, ['server', '--data-dir', folder, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(child);
  try {
    await eventually(`${name} to be up`, () => {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${output()}`);
      return output().includes('copepod server is up');
    }, Boolean, 60_000);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw error;
  }
  return masterOf(child, { name, folder, output });
}

async function masterOf(child: ChildProcess, { name, folder, output }: { readonly name: string; readonly folder: string; readonly output: () => string }): Promise<Master> {
  const kubeconfig = join(folder, 'kubeconfig');
  const { server } = await loadKubeconfig(kubeconfig);
  return {
    name, url: server, kubeconfig, joinToken: readFileSync(join(folder, 'join-token'), 'utf8').trim(), pid: child.pid ?? 0, output,
    signal: (signal) => void child.kill(signal),
    kill: async () => {
      await end(child, 'SIGKILL');
    },
    stop: () => end(child, 'SIGTERM'),
    transport: async () => createHttpsTransport({ ...await loadKubeconfig(kubeconfig), server }),
  };
}

export interface Forward {
  readonly url: string;
  /** kubectl by way of whichever master is there. */
  kubectl(input: string | undefined, ...args: readonly string[]): Result;
  close(): Promise<void>;
}

/** `copepod forward` before these masters. */
export async function startForward(masters: readonly Master[]): Promise<Forward> {
  const child = spawn(COPEPOD, ['forward', '--port', '0', ...masters.flatMap(({ url }) => ['--server', url])], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(child);
  const url = await eventually('copepod forward', () => {
    if (child.exitCode !== null) throw new Error(`copepod forward ended: ${output()}`);
    return /kubectl --server (\S+)/.exec(output())?.[1] ?? '';
  }, (found) => found !== '');
  // Its server is given up for the forwarder's, its identity is not.
  const kubeconfig = masters[0]?.kubeconfig ?? '';
  return {
    url,
    kubectl: (input, ...args) => run('kubectl', ['--kubeconfig', kubeconfig, '--server', url, '--request-timeout=20s', ...args], input === undefined ? {} : { input }),
    close: async () => {
      await end(child, 'SIGTERM');
    },
  };
}
