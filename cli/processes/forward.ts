// copepod forward: one address for several API servers, for kubectl and others that know only one. It passes bytes on to a server that
// says it is ready, and breaks the connections to one that no longer is, so that clients come back and find another.

import { once } from 'node:events';
import { request } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Clock } from '@copepod/client/clock';
import { type CliCommand, collect, examples } from '../commands/command.ts';
import type { Io } from '../context.ts';
import { Failure, usage } from '../failure.ts';
import { parsePort } from './settings.ts';
import { untilInterrupted } from './until-interrupted.ts';

interface ForwardFlags {
  readonly server?: readonly string[];
  readonly port: string;
  readonly host: string;
}

export interface Forwarder {
  readonly port: number;
  close(): Promise<void>;
}

const PROBE_MS = 500;
const PROBE_TIMEOUT_MS = 1500;

interface Target {
  readonly host: string;
  readonly port: number;
  /** Believed until a probe says otherwise. */
  ready: boolean;
  readonly connections: Set<Socket>;
}

export const forward: CliCommand = {
  register(program, io) {
    const command = program.command('forward').description('One address for several API servers')
      .option('--server <url>', 'of an API server; to be repeated, or all with commas', collect)
      .option('--port <port>', 'to listen on', '6440')
      .option('--host <address>', 'to listen on', '127.0.0.1');
    command.action(async (flags: ForwardFlags) => run(io, flags));
    examples(command, ['copepod forward --server https://10.0.0.1:6443,https://10.0.0.2:6443,https://10.0.0.3:6443']);
  },
};

async function run(io: Io, flags: ForwardFlags): Promise<void> {
  const servers = (flags.server ?? []).flatMap((entry) => entry.split(',')).map((url) => url.trim()).filter((url) => url !== '');
  if (servers.length === 0) throw usage('say which servers there are', 'e.g. --server https://10.0.0.1:6443,https://10.0.0.2:6443');
  for (const url of servers) if (!URL.canParse(url)) throw usage(`--server ${url} is not a URL`);
  const port = parsePort(flags.port, '--port');
  try {
    const forwarder = await startForwarder({ servers, host: flags.host, port, clock: io.clock });
    io.out(`copepod forward listens\n  kubectl     kubectl --server https://${flags.host}:${forwarder.port}\n`);
    await untilInterrupted(io);
    await forwarder.close();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === undefined ? error : new Failure(code === 'EADDRINUSE' ? `port ${port} is in use` : message, { hint: 'choose another with --port (0 picks a free one)', cause: error });
  }
}

/** `port` 0 picks a free one. */
export async function startForwarder({ servers, host, port, clock }: { readonly servers: readonly string[]; readonly host: string; readonly port: number; readonly clock: Clock }): Promise<Forwarder> {
  const targets = servers.map((url): Target => {
    const { hostname, port: ofUrl } = new URL(url);
    return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(ofUrl === '' ? 443 : ofUrl), ready: true, connections: new Set() };
  });
  const stop = new AbortController();
  const server = createServer((client) => void serve(client, targets));
  server.listen(port, host);
  await once(server, 'listening');
  const probing = Promise.all(targets.map(async (target) => {
    while (!stop.signal.aborted) {
      const ready = await isReady(target);
      if (target.ready && !ready) for (const connection of target.connections) connection.destroy();
      target.ready = ready;
      await clock.sleep(PROBE_MS, stop.signal).catch(() => {});
    }
  }));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      stop.abort();
      server.close();
      for (const { connections } of targets) for (const connection of connections) connection.destroy();
      await probing;
    },
  };
}

/** The first that takes a connection, those that are ready before those that are not. */
async function serve(client: Socket, targets: readonly Target[]): Promise<void> {
  client.on('error', () => client.destroy());
  client.pause();
  for (const target of [...targets].sort((a, b) => Number(b.ready) - Number(a.ready))) {
    const upstream = await opened(target);
    if (upstream === undefined) continue;
    target.connections.add(upstream);
    upstream.on('close', () => {
      target.connections.delete(upstream);
      client.destroy();
    });
    client.on('close', () => upstream.destroy());
    upstream.on('error', () => upstream.destroy());
    client.pipe(upstream).pipe(client);
    return;
  }
  client.destroy();
}

function opened({ host, port }: Target): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const fail = (): void => {
      socket.destroy();
      resolve(undefined);
    };
    socket.once('error', fail).once('timeout', fail);
    socket.once('connect', () => {
      socket.off('error', fail).off('timeout', fail).setTimeout(0);
      resolve(socket);
    });
  });
}

/** Whom it asks does not matter: what passes through is between the client and the server, certificates and all. */
function isReady({ host, port }: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host, port, path: '/readyz', rejectUnauthorized: false, timeout: PROBE_TIMEOUT_MS, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.on('timeout', () => probe.destroy());
    probe.on('error', () => resolve(false));
    probe.on('close', () => resolve(false));
    probe.end();
  });
}
