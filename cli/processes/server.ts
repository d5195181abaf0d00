// copepod server: the control plane alone; agents join it with a token.

import { join, resolve } from 'node:path';
import { type ControlPlaneOptions, startControlPlane } from '@copepod/control-plane';
import type { CliCommand } from '../commands/command.ts';
import { collect, examples } from '../commands/command.ts';
import type { Io } from '../context.ts';
import { usage } from '../failure.ts';
import { type EtcdFlags, etcdFlags, parseEtcd } from './etcd-flags.ts';
import { startFailure } from './failures.ts';
import { createLog } from './logger.ts';
import { parsePort, processFlags, withConfigFile } from './settings.ts';
import { parseSnapshots, type SnapshotFlags, snapshotFlags } from './snapshots.ts';
import { untilInterrupted } from './until-interrupted.ts';

interface ServerOptions extends SnapshotFlags, EtcdFlags {
  readonly dataDir?: string;
  readonly logLevel: string;
  readonly logFormat: string;
  readonly config?: string;
  readonly apiPort: string;
  readonly host: string;
  readonly store: string;
  readonly clusterSecretFile?: string;
  readonly advertiseUrl?: string;
  readonly tlsSan?: readonly string[];
}

export const server: CliCommand = {
  register(program, io) {
    const command = etcdFlags(snapshotFlags(processFlags(program.command('server').description('Run the control plane; agents join it'))))
      .option('--api-port <port>', 'of the API server', '6443')
      .option('--host <address>', 'to listen on', '0.0.0.0')
      .option('--store <kind>', 'lmdb; etcd, for several servers; or memory (nothing is kept)', 'lmdb')
      .option('--cluster-secret-file <file>', 'under which servers on one etcd share their CA (default: cluster-secret in the data directory)')
      .option('--advertise-url <url>', 'where clients and the other servers reach this one (default: this machine\'s address)')
      .option('--tls-san <name>', 'a further name or address of this server; may be repeated', collect);
    command.action(async (flags: ServerOptions) => run(io, withConfigFile(command, flags)));
    examples(command, ['copepod server --data-dir /var/lib/copepod', 'copepod server --store etcd --etcd-endpoints http://10.0.0.1:2379,http://10.0.0.2:2379', 'copepod server --tls-san cluster.example.com']);
  },
};

async function run(io: Io, options: ServerOptions): Promise<void> {
  const dataDir = resolve(options.dataDir ?? io.dataDir);
  const apiPort = parsePort(options.apiPort, '--api-port');
  const store = storeOf(options);
  const log = createLog(options.logLevel, options.logFormat);
  try {
    const plane = await startControlPlane({ dataDir, store, host: options.host, apiPort, extraNames: options.tlsSan ?? [], log, snapshots: parseSnapshots(options, dataDir) });
    const port = new URL(plane.apiUrl).port;
    io.out(`copepod server is up\n  kubectl     export KUBECONFIG=${plane.kubeconfig}\n  agents      copepod agent --server https://<this host>:${port} --token "$(cat ${join(dataDir, 'join-token')})"\n`);
    await untilInterrupted(io);
    log.info({}, 'stopping');
    await plane.close();
  } catch (error) {
    throw startFailure(error, { '--api-port': apiPort });
  }
}

function storeOf(options: ServerOptions): ControlPlaneOptions['store'] {
  const { store, advertiseUrl } = options;
  if (store === 'lmdb' || store === 'memory') {
    if (options.etcdEndpoints !== undefined) throw usage(`--etcd-endpoints is given, but the store is ${store}`, 'say --store etcd');
    return store;
  }
  if (store !== 'etcd') throw usage(`there is no store "${store}"`, 'there are lmdb, etcd and memory');
  if (advertiseUrl !== undefined && !URL.canParse(advertiseUrl)) throw usage(`--advertise-url ${advertiseUrl} is not a URL`, 'e.g. https://10.0.0.1:6443');
  return { etcd: parseEtcd(options), secretFile: options.clusterSecretFile, advertiseUrl: advertiseUrl?.replace(/\/$/, '') };
}
