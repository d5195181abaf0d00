// copepod agent: one node.

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { resolve } from 'node:path';
import { startAgent } from '@copepod/node-agent';
import type { CliCommand } from '../commands/command.ts';
import { collect, examples } from '../commands/command.ts';
import type { Io } from '../context.ts';
import { Failure, usage } from '../failure.ts';
import { startFailure } from './failures.ts';
import { createLog } from './logger.ts';
import { ENGINE_HELP, nodeNameOf, parseEngine, parsePort, processFlags, withConfigFile } from './settings.ts';
import { untilInterrupted } from './until-interrupted.ts';

interface AgentFlags {
  readonly dataDir?: string;
  readonly logLevel: string;
  readonly logFormat: string;
  readonly config?: string;
  readonly server?: readonly string[] | string;
  readonly token?: string;
  readonly nodeName?: string;
  readonly engine: string;
  readonly address?: string;
  readonly gatewayPort: string;
  readonly gatewayHost: string;
  readonly kubeletPort: string;
  readonly tunnelPort: string;
  readonly allowFileImages?: boolean;
  readonly allowHostPaths?: boolean;
}

export const agent: CliCommand = {
  register(program, io) {
    const command = processFlags(program.command('agent').description('Run a node that joins a server'))
      .option('--server <url>', 'of the API server, e.g. https://10.0.0.1:6443; of several servers each, or all with commas', collect)
      .option('--token <token>', 'to join with; not needed again later')
      .option('--node-name <name>', 'of this node (default: the machine\'s)')
      .option('--engine <name>', ENGINE_HELP, 'auto')
      .option('--address <ip>', 'where the server and other nodes reach this one (default: the one that leads to the server)')
      .option('--gateway-port <port>', 'where <service>.<namespace>.localhost answers', '8080')
      .option('--gateway-host <ip>', 'the gateway and node ports listen on', '0.0.0.0')
      .option('--kubelet-port <port>', 'where the server asks for logs', '10250')
      .option('--tunnel-port <port>', 'where other nodes send requests; 0 picks a free one', '0')
      .option('--allow-file-images', 'let pods name components on this machine\'s disk')
      .option('--allow-host-paths', 'let pods mount directories of this machine');
    command.action(async (flags: AgentFlags) => run(io, withConfigFile(command, flags)));
    examples(command, ['copepod agent --server https://10.0.0.1:6443 --token cp1.…', 'copepod agent --server https://10.0.0.1:6443 --server https://10.0.0.2:6443 --token cp1.…']);
  },
};

async function run(io: Io, flags: AgentFlags): Promise<void> {
  const servers = [flags.server ?? []].flat().flatMap((entry) => entry.split(',')).map((url) => url.trim().replace(/\/$/, '')).filter((url) => url !== '');
  const [first] = servers;
  if (first === undefined) throw usage('say which server to join', 'e.g. --server https://10.0.0.1:6443');
  for (const url of servers) if (!URL.canParse(url)) throw usage(`--server ${url} is not a URL`, 'e.g. --server https://10.0.0.1:6443');
  const dataDir = resolve(flags.dataDir ?? `${io.dataDir}-agent`);
  const ports = { '--gateway-port': parsePort(flags.gatewayPort, '--gateway-port'), '--kubelet-port': parsePort(flags.kubeletPort, '--kubelet-port'), '--tunnel-port': parsePort(flags.tunnelPort, '--tunnel-port') };
  const log = createLog(flags.logLevel, flags.logFormat);
  try {
    const running = await startAgent({
      dataDir, servers, token: flags.token, nodeName: nodeNameOf(flags.nodeName ?? io.hostName),
      address: flags.address ?? await addressTowards(first), nodePortHost: flags.gatewayHost, gateway: { host: flags.gatewayHost, port: ports['--gateway-port'] },
      kubeletPort: ports['--kubelet-port'], tunnelPort: ports['--tunnel-port'], allowFileImages: flags.allowFileImages === true, allowHostPaths: flags.allowHostPaths === true, engine: parseEngine(flags.engine), log,
    });
    io.out(`copepod agent is up\n  services    http://<service>.<namespace>.localhost:${running.gatewayPort}/\n`);
    await untilInterrupted(io);
    log.info({}, 'stopping');
    await running.close();
  } catch (error) {
    throw startFailure(error, ports);
  }
}

/** The address this machine uses towards the server: a connected UDP socket knows it, and nothing is sent. */
async function addressTowards(server: string): Promise<string> {
  const { hostname, port } = new URL(server);
  try {
    const { address, family } = await lookup(hostname.replace(/^\[(.*)\]$/, '$1'));
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    try {
      await new Promise<void>((connected, failed) => {
        socket.once('error', failed);
        socket.connect(Number(port === '' ? 443 : port), address, connected);
      });
      return socket.address().address;
    } finally {
      socket.close();
    }
  } catch (cause) {
    throw new Failure(`no way to ${server} from here: ${cause instanceof Error ? cause.message : String(cause)}`, { hint: 'check the address, or say this node\'s own with --address', cause });
  }
}
