// copepod up --ha-demo: an etcd of three, three masters and two agents as processes on this machine, for people to kill and see.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadKubeconfig } from '@copepod/client/rest';
import { etcdVersion, startLocalEtcd } from '@copepod/control-plane/local-etcd';
import type { Io } from '../context.ts';
import { Failure } from '../failure.ts';
import { startForwarder } from './forward.ts';
import { untilInterrupted } from './until-interrupted.ts';

export interface HaDemoOptions {
  readonly dataDir: string;
  /** Of the forwarder; 0 picks a free one. */
  readonly apiPort: number;
  /** Of the first agent's gateway; 0 picks a free one. */
  readonly gatewayPort: number;
  readonly engine: string;
  /** The command's own script. */
  readonly script: string;
}

const READY_MS = 60_000;
const MASTERS = ['master-1', 'master-2', 'master-3'] as const;

/** Runs until Ctrl-C. Failure when there is no etcd, or a part does not come up. */
export async function runHaDemo(io: Io, options: HaDemoOptions): Promise<void> {
  const { dataDir, apiPort, gatewayPort, engine } = options;
  if (etcdVersion() === undefined) {
    throw new Failure('there is no etcd on the PATH', { hint: 'Debian and Ubuntu: apt-get install etcd-server; elsewhere: the releases of etcd 3.4 or later' });
  }
  const folder = join(dataDir, 'ha-demo');
  // It begins anew each time: members of etcd know each other by ports, which are others at each start.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const children: { readonly name: string; readonly child: ChildProcess }[] = [];
  const closers: (() => Promise<void>)[] = [];
  const start = (name: string, args: readonly string[]): ChildProcess => {
    const log = openSync(join(folder, `${name}.log`), 'a', 0o600);
    const child = spawn(process.execPath, [options.script, ...args, '--data-dir', join(folder, name)], { stdio: ['ignore', log, log] });
    children.push({ name, child });
    return child;
  };
  try {
    io.out('starting an etcd of three, three masters, two agents\n');
    const etcd = await startLocalEtcd({ folder: join(folder, 'etcd'), members: 3, args: ['--log-level', 'error'] });
    closers.push(() => etcd.close());
    const secret = join(folder, 'cluster-secret');
    writeFileSync(secret, randomBytes(32).toString('hex'), { mode: 0o600 });
    closers.push(() => endAll(children.map(({ child }) => child)));
    const servers = await Promise.all(MASTERS.map(async (name) => {
      const kubeconfig = join(folder, name, 'kubeconfig');
      const child = start(name, ['server', '--store', 'etcd', '--etcd-endpoints', etcd.endpoints.join(','), '--cluster-secret-file', secret, '--host', '127.0.0.1', '--api-port', '0']);
      await ready(io, { name, folder, child, holds: () => existsSync(kubeconfig) });
      return (await loadKubeconfig(kubeconfig)).server;
    }));
    const forwarder = await startForwarder({ servers, host: '127.0.0.1', port: apiPort, clock: io.clock });
    closers.push(() => forwarder.close());
    const first = join(folder, MASTERS[0]);
    const token = readFileSync(join(first, 'join-token'), 'utf8').trim();
    await Promise.all(['agent-1', 'agent-2'].map(async (name, index) => {
      const address = `127.0.0.${index + 1}`;
      const child = start(name, [
        'agent', ...servers.flatMap((server) => ['--server', server]), '--token', token, '--node-name', name, '--engine', engine, '--address', address,
        '--gateway-host', address, '--gateway-port', String(index === 0 ? gatewayPort : 0), '--kubelet-port', '0', '--allow-file-images',
      ]);
      await ready(io, { name, folder, child, holds: () => readFileSync(join(folder, `${name}.log`), 'utf8').includes('copepod agent is up') });
    }));
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, readFileSync(join(first, 'kubeconfig'), 'utf8').replace(servers[0] ?? '', `https://127.0.0.1:${forwarder.port}`), { mode: 0o600 });
    const pids = [...etcd.members.map(({ name, pid }) => [name, pid] as const), ...children.map(({ name, child }) => [name, child.pid] as const)];
    io.out(`copepod is up, thrice\n  kubectl     export KUBECONFIG=${kubeconfig}   (by way of a forwarder that finds a master which is ready)\n  logs        ${folder}/*.log\n  who leads   kubectl -n kube-system get leases\n  kill one    ${pids.map(([name, pid]) => `${name} ${pid}`).join(', ')}\n`);
    await untilInterrupted(io);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

interface Awaiting {
  readonly name: string;
  readonly folder: string;
  readonly child: ChildProcess;
  readonly holds: () => boolean;
}

async function ready(io: Io, { name, folder, child, holds }: Awaiting): Promise<void> {
  const until = io.clock.monotonic() + READY_MS;
  while (!holds()) {
    if (child.exitCode !== null || io.clock.monotonic() > until) throw new Failure(`${name} did not come up`, { hint: `its log says why: ${join(folder, `${name}.log`)}` });
    await io.clock.sleep(50, io.interrupted);
  }
}

async function endAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(children.map(async (child) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }));
}
