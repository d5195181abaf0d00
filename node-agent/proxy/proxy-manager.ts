// Keeps the data path's table what the API says. Changes that come together are applied together; the last table stays in force while
// the API is away.

import { ENDPOINT_SLICE, type Node, SERVICE, type Service } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import type { Recorder } from '@copepod/client/events';
import { createInformer, type Informer } from '@copepod/client/informer';
import { resourceClient, type Transport } from '@copepod/client/rest';
import type { ListenerFailure, Proxy } from '../runtime/index.ts';
import { planRoutes } from './routing-table.ts';

export interface ProxyManagerOptions {
  readonly proxy: Proxy;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly record: Recorder;
  readonly nodeName: string;
  readonly nodes: Informer<Node>;
  readonly log: { warn(fields: object, message: string): void };
}

export interface ProxyManager {
  /** No route of this node leads to the workload any more when this resolves. */
  withdraw(uid: string): Promise<void>;
  restore(uid: string): void;
  run(signal: AbortSignal): Promise<void>;
}

export function createProxyManager(options: ProxyManagerOptions): ProxyManager {
  const { clock, transport } = options;
  const onError = (error: unknown): void => options.log.warn({ err: error }, 'the proxy lost a watch and goes on with the routes it has');
  const services = createInformer({ client: resourceClient(transport, SERVICE), clock, onError });
  const slices = createInformer({ client: resourceClient(transport, ENDPOINT_SLICE), clock, onError });
  const withdrawn = new Set<string>();
  const told = new Set<string>();
  let wanted = 0;
  let applied: Promise<number> = Promise.resolve(0);

  /** Every caller's change is in the table that is in force when its promise resolves; callers that come together share one. */
  function refresh(): Promise<number> {
    wanted += 1;
    const mine = wanted;
    applied = applied.then(async (done) => {
      if (done >= mine || !services.hasSynced || !slices.hasSynced) return done;
      const covered = wanted;
      const table = planRoutes({ services: services.store.list(), slices: slices.store.list(), nodes: options.nodes.store.list(), nodeName: options.nodeName, withdrawn });
      tell(await options.proxy.apply(table));
      return covered;
    }).catch((error: unknown) => {
      options.log.warn({ err: error }, 'the routing table could not be applied');
      return 0;
    });
    return applied;
  }

  function tell(failures: readonly ListenerFailure[]): void {
    const now = new Set(failures.map((failure) => `${failure.service} ${failure.host}:${failure.port} ${failure.code}`));
    for (const failure of failures) {
      const key = `${failure.service} ${failure.host}:${failure.port} ${failure.code}`;
      const service = told.has(key) ? undefined : services.store.list().find((candidate) => hostOf(candidate) === failure.service);
      if (service !== undefined) options.record(service, 'Warning', failure.code, explain(failure, options.nodeName));
    }
    told.clear();
    for (const key of now) told.add(key);
  }

  const changed = (): void => void refresh();
  services.onChange(changed);
  slices.onChange(changed);
  options.nodes.onChange(({ object, previous }) => {
    if (JSON.stringify(object.metadata.annotations) !== JSON.stringify(previous?.metadata.annotations)) changed();
  });
  return {
    async withdraw(uid) {
      withdrawn.add(uid);
      await refresh();
    },
    restore: (uid) => void withdrawn.delete(uid),
    async run(signal) {
      const running = Promise.all([services.run(signal), slices.run(signal)]);
      void Promise.all([services.synced, slices.synced]).then(changed);
      await running;
      await applied;
    },
  };
}

function hostOf(service: Service): string {
  return `${service.metadata.name}.${service.metadata.namespace}.svc.cluster.local`;
}

function explain({ code, host, port }: ListenerFailure, node: string): string {
  switch (code) {
    case 'PermissionDenied': return `node ${node} may not listen on ${host}:${port}: ports below 1024 need CAP_NET_BIND_SERVICE; the Service is still reached by its node port and the gateway`;
    case 'PortInUse': return `node ${node} cannot listen on ${host}:${port}: another process has the port`;
    case 'AddressUnavailable': return `node ${node} cannot listen on ${host}:${port}: the address is not local there`;
  }
}
