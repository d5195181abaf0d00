// The data path in JavaScript, for machines without the addon: the same table and the same answers, local endpoints only.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { RuntimeError } from '../errors.ts';
import type { ListenerFailure, Proxy, ProxyOptions, RoutingTable } from '../runtime.ts';
import type { JcoService } from './service.ts';

interface Backends {
  readonly service: string;
  readonly endpoints: readonly string[];
  next: number;
}

interface Routes {
  readonly byHost: ReadonlyMap<string, Backends>;
  /** `host:port` of a listener → who answers there. */
  readonly byListener: ReadonlyMap<string, Backends>;
}

const GATEWAY = 'gateway';
/** Of the parser; each workload has its own limit below it. */
const HEADER_BYTES = 2 ** 20;

export async function openJcoProxy(options: ProxyOptions, services: ReadonlyMap<string, JcoService>): Promise<Proxy> {
  let routes: Routes = { byHost: new Map(), byListener: new Map() };
  const listeners = new Map<string, Server>();
  let turn: Promise<unknown> = Promise.resolve();

  function respond(listener: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const host = incoming.headers.host ?? '';
    const backends = listener === GATEWAY ? routes.byHost.get(host.replace(/:\d+$/, '').toLowerCase()) : routes.byListener.get(listener);
    if (backends === undefined) {
      plain(outgoing, 404, `no Service answers to host ${host === '' ? '(none)' : host}: use <service>.<namespace>.localhost\n`);
      return;
    }
    const count = backends.endpoints.length;
    backends.next += 1;
    for (let step = 0; step < count; step += 1) {
      const id = backends.endpoints[(backends.next + step) % count] ?? '';
      if (services.get(id)?.handle(incoming, outgoing) === true) return;
    }
    plain(outgoing, 503, `Service ${backends.service} has no ready endpoints\n`);
  }

  async function listen(key: string, host: string, port: number): Promise<number> {
    const server = createServer({ maxHeaderSize: HEADER_BYTES }, (incoming, outgoing) => respond(key, incoming, outgoing));
    server.listen(port, host);
    await once(server, 'listening');
    listeners.set(key, server);
    return (server.address() as AddressInfo).port;
  }

  async function apply(table: RoutingTable): Promise<readonly ListenerFailure[]> {
    const [byHost, byListener] = [new Map<string, Backends>(), new Map<string, Backends>()];
    for (const service of table.services) {
      for (const [index, port] of service.ports.entries()) {
        const backends: Backends = { service: service.host, endpoints: port.endpoints.filter((endpoint) => endpoint.node === undefined).map((endpoint) => endpoint.workload), next: -1 };
        if (index === 0) byHost.set(service.gatewayHost.toLowerCase(), backends);
        if (service.clusterIP !== undefined) byListener.set(`${service.clusterIP}:${port.port}`, backends);
        if (port.nodePort !== undefined) byListener.set(`${options.nodePortHost}:${port.nodePort}`, backends);
      }
    }
    routes = { byHost, byListener };
    for (const [key, server] of listeners) {
      if (key === GATEWAY || byListener.has(key)) continue;
      listeners.delete(key);
      await close(server);
    }
    const failures: ListenerFailure[] = [];
    for (const [key, backends] of byListener) {
      if (listeners.has(key)) continue;
      const at = key.lastIndexOf(':');
      const [host, port] = [key.slice(0, at), Number(key.slice(at + 1))];
      await listen(key, host, port).catch((error: unknown) => void failures.push({ host, port, code: failureOf(error), service: backends.service }));
    }
    return failures;
  }

  const { gateway } = options;
  const gatewayPort = gateway === undefined ? undefined : await listen(GATEWAY, gateway.host, gateway.port).catch((error: unknown) => {
    throw new RuntimeError(failureOf(error), `cannot listen on ${gateway.host}:${gateway.port}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  return {
    gatewayPort,
    tunnelPort: undefined,
    apply(table) {
      const mine = turn.then(() => apply(table));
      turn = mine.catch(() => {});
      return mine;
    },
    async close() {
      await turn;
      await Promise.all([...listeners.values()].map(close));
      listeners.clear();
    },
  };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  await closed;
}

function failureOf(error: unknown): ListenerFailure['code'] {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' ? 'PortInUse' : code === 'EACCES' ? 'PermissionDenied' : 'AddressUnavailable';
}

function plain(outgoing: ServerResponse, status: number, text: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  outgoing.end(text);
}
