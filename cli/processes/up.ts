// copepod up: server and agent in one process, everything in one directory.

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { nodeUser, startControlPlane } from '@copepod/control-plane';
import { startAgent } from '@copepod/node-agent';
import type { CliCommand } from '../commands/command.ts';
import { examples } from '../commands/command.ts';
import type { Io } from '../context.ts';
import { startFailure } from './failures.ts';
import { runHaDemo } from './ha-demo.ts';
import { createLog } from './logger.ts';
import { ENGINE_HELP, nodeNameOf, parseEngine, parsePort, processFlags, withConfigFile } from './settings.ts';
import { untilInterrupted } from './until-interrupted.ts';
import { parseSnapshots, type SnapshotFlags, snapshotFlags } from './snapshots.ts';

interface UpOptions extends SnapshotFlags {
  readonly dataDir?: string;
  readonly logLevel: string;
  readonly logFormat: string;
  readonly config?: string;
  readonly apiPort: string;
  readonly gatewayPort: string;
  readonly nodeName?: string;
  readonly engine: string;
  readonly allowHostPaths?: boolean;
  readonly haDemo?: boolean;
}

export const up: CliCommand = {
  register(program, io) {
    const command = snapshotFlags(processFlags(program.command('up').description('Run a whole cluster in this process')))
      .option('--api-port <port>', 'of the API server', '6443')
      .option('--gateway-port <port>', 'where <service>.<namespace>.localhost answers', '8080')
      .option('--node-name <name>', 'of this node (default: the machine\'s)')
      .option('--engine <name>', ENGINE_HELP, 'auto')
      .option('--allow-host-paths', 'let pods mount directories of this machine');
    command.option('--ha-demo', 'run an etcd of three, three masters and two agents as processes of their own, to try what may fail');
    command.action(async (flags: UpOptions) => run(io, withConfigFile(command, flags)));
    examples(command, ['copepod up', 'copepod up --data-dir ./cluster --api-port 0 --gateway-port 0', 'KUBECONFIG=~/.local/share/copepod/kubeconfig kubectl get nodes']);
  },
};

async function run(io: Io, options: UpOptions): Promise<void> {
  const dataDir = resolve(options.dataDir ?? io.dataDir);
  const ports = { '--api-port': parsePort(options.apiPort, '--api-port'), '--gateway-port': parsePort(options.gatewayPort, '--gateway-port') };
  const nodeName = nodeNameOf(options.nodeName ?? io.hostName);
  if (options.haDemo === true) {
    await runHaDemo(io, { dataDir, apiPort: ports['--api-port'], gatewayPort: ports['--gateway-port'], engine: parseEngine(options.engine), script: join(import.meta.dirname, '..', 'main.ts') });
    return;
  }
  const log = createLog(options.logLevel, options.logFormat);
  const state = join(dataDir, 'state.json');
  const closers: (() => Promise<void> | void)[] = [];
  try {
    mkdirSync(dataDir, { recursive: true });
    const plane = await startControlPlane({ dataDir, store: 'lmdb', host: '127.0.0.1', apiPort: ports['--api-port'], extraNames: [], log, snapshots: parseSnapshots(options, dataDir) });
    closers.push(() => plane.close());
    const agent = await startAgent({
      dataDir: join(dataDir, 'agent'), servers: [plane.apiUrl], token: plane.joinToken, nodeName, address: '127.0.0.1', nodePortHost: '127.0.0.1',
      gateway: { host: '127.0.0.1', port: ports['--gateway-port'] }, kubeletPort: 0, tunnelPort: 0, allowFileImages: true, allowHostPaths: options.allowHostPaths === true, engine: parseEngine(options.engine), log, transport: plane.transportFor(nodeUser(nodeName)),
    });
    closers.push(() => agent.close());
    const gatewayUrl = `http://localhost:${agent.gatewayPort}`;
    writeFileSync(`${state}.partial`, `${JSON.stringify({ apiUrl: plane.apiUrl, gatewayUrl, kubeconfig: plane.kubeconfig, pid: process.pid })}\n`);
    renameSync(`${state}.partial`, state);
    closers.push(() => rmSync(state, { force: true }));
    io.out(`copepod is up\n  services    http://<service>.<namespace>.localhost:${agent.gatewayPort}/\n  kubectl     export KUBECONFIG=${plane.kubeconfig}\n`);
    await untilInterrupted(io);
    log.info({}, 'stopping');
  } catch (error) {
    throw startFailure(error, ports);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}
