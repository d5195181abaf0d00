// The agent's composition root: identity, engine, proxy, pods, heartbeat. `startAgent` is what `copepod up` and `copepod agent` call.

import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { NODE } from '@copepod/api/kinds';
import { type Clock, systemClock } from '@copepod/client/clock';
import { createRecorder } from '@copepod/client/events';
import { createInformer } from '@copepod/client/informer';
import { createFailoverTransport, createHttpsTransport, resourceClient, type Transport } from '@copepod/client/rest';
import { createComponentSource } from './artifacts/index.ts';
import { ensureCompileSeed, ensureIdentity } from './identity/index.ts';
import { type MeasuredPod, nodeMetrics } from './metrics/index.ts';
import { type NodeReporterOptions, registerNode, runHeartbeat } from './node/index.ts';
import { createPodManager, PodAddresses, type PodManager } from './pods/index.ts';
import { createProxyManager, TUNNEL_ADDRESS } from './proxy/index.ts';
import { openRuntime } from './runtime/index.ts';
import { createKubeletServer } from './server/index.ts';

export { JoinError } from './identity/index.ts';
export { isRuntimeError } from './runtime/index.ts';

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AgentOptions {
  /** The agent's own directory. */
  readonly dataDir: string;
  /** URLs of the servers of the cluster, at least one; the first that answers is used. */
  readonly servers: readonly string[];
  readonly token: string | undefined;
  readonly nodeName: string;
  /** Where the server and other nodes reach this one. */
  readonly address: string;
  /** Port 0 picks a free one; undefined: no gateway. */
  readonly gateway: { readonly host: string; readonly port: number } | undefined;
  readonly nodePortHost: string;
  readonly kubeletPort: number;
  readonly tunnelPort: number;
  readonly allowFileImages: boolean;
  /** Whether pods may mount directories of this machine (hostPath). */
  readonly allowHostPaths: boolean;
  /** `auto`: wasmtime where its addon is, else jco on V8. `wasmtime`: that or an error. `pulley`: its interpreter. */
  readonly engine: 'auto' | 'wasmtime' | 'pulley' | 'jco';
  readonly log: Log;
  readonly clock?: Clock;
  /** The API without a socket, where the server is in this process. */
  readonly transport?: Transport;
}

export interface Agent {
  readonly gatewayPort: number | undefined;
  close(): Promise<void>;
}

/** A server that has not begun to answer by then is left for another: well before the node counts as silent. */
const FAILOVER_MS = 3000;
/** Says where a node's gateway answers. */
const GATEWAY_ADDRESS = 'copepod.dev/gateway-address';
/** Of fetched and of compiled components, each: they can be fetched and compiled again. */
const CACHE_BYTES = 2 ** 30;
const release = (JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as { version: string }).version;

/** JoinError, RuntimeError (no addon, port in use) or TransportError when it cannot start; nothing is left running then. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { clock = systemClock, log, nodeName, dataDir } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const identity = await ensureIdentity({ folder: join(dataDir, 'pki'), servers: options.servers, token: options.token, nodeName, addresses: [options.address], now: clock.now() });
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.toReversed()) await close();
  };
  try {
    const remote = createFailoverTransport(options.servers.map((server) => createHttpsTransport({ server, ...identity, userAgent: `copepod-agent/${release}`, ...(options.servers.length > 1 ? { timeoutMs: FAILOVER_MS } : {}) })));
    closers.push(() => remote.close());
    const transport = options.transport ?? remote;
    const runtime = openRuntime({
      engine: options.engine, signingSeed: ensureCompileSeed(join(dataDir, 'pki', 'compile.seed')),
      withoutAddon: { now: () => new Date(clock.now()).toISOString().replace('Z', '000000Z'), monotonic: () => clock.monotonic(), after: (ms, callback) => clock.after(ms, callback) },
    });
    if (runtime.engine.name === 'jco' && options.engine === 'auto') log.warn({}, 'components run on V8 by jco, because the wasmtime addon is not built: install Rust and run "npm run setup"');
    closers.push(() => runtime.close());
    const proxy = await runtime.openProxy({
      nodePortHost: options.nodePortHost, ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
      tunnel: { host: options.address, port: options.tunnelPort, certificate: identity.cert, key: identity.key, authority: identity.ca },
    });
    const record = createRecorder({ transport, clock, component: 'copepod-agent', onLost: (error) => log.warn({ err: error }, 'an event was lost') });
    const nodes = createInformer({ client: resourceClient(transport, NODE), clock, onError: (error) => log.warn({ err: error }, 'the agent lost its watch of nodes and goes on') });

    // Listens before there are pods: the node says where when it is registered, and what addresses they have is known only then.
    let pods: PodManager | undefined;
    const kubelet = createKubeletServer({ tls: identity, clock, find: (namespace, pod) => pods?.runner(namespace, pod), metrics: () => nodeMetrics(runtime.engine, measure(pods)) });
    kubelet.listen(options.kubeletPort, options.address);
    await once(kubelet, 'listening');
    closers.push(() => {
      kubelet.close();
      kubelet.closeAllConnections();
    });

    const stop = new AbortController();
    const reporter: NodeReporterOptions = {
      transport, clock, nodes, nodeName, address: options.address, kubeletPort: (kubelet.address() as AddressInfo).port, log,
      annotations: {
        ...(proxy.tunnelPort === undefined ? {} : { [TUNNEL_ADDRESS]: `${options.address}:${proxy.tunnelPort}` }),
        ...(proxy.gatewayPort === undefined ? {} : { [GATEWAY_ADDRESS]: `${options.address}:${proxy.gatewayPort}` }),
      },
      engine: `${runtime.engine.name}://${runtime.engine.version}`, version: `copepod-${release}`,
    };
    const running: Promise<unknown>[] = [nodes.run(stop.signal), runHeartbeat(reporter, stop.signal)];
    closers.push(async () => {
      stop.abort();
      await Promise.all(running);
    });
    const node = await registerNode(reporter, stop.signal);
    const proxies = createProxyManager({ proxy, transport, clock, record, nodeName, nodes, log });
    pods = createPodManager({
      runtime, transport, clock, record, log, nodeName, hostIP: options.address, addresses: new PodAddresses(node.spec?.podCIDR ?? ''),
      source: createComponentSource({ folder: dataDir, runtime, transport: remote, allowFileImages: options.allowFileImages, cacheBytes: CACHE_BYTES, now: () => clock.now() }),
      allowHostPaths: options.allowHostPaths, logFolder: join(dataDir, 'logs'), podFolder: join(dataDir, 'pods'), bucketFolder: join(dataDir, 'keyvalue'),
      withdraw: (uid) => proxies.withdraw(uid), restore: (uid) => proxies.restore(uid),
    });
    running.push(proxies.run(stop.signal), pods.run(stop.signal));
    log.info({ node: nodeName, engine: runtime.engine.name, gatewayPort: proxy.gatewayPort }, 'the agent is ready');
    return { gatewayPort: proxy.gatewayPort, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function measure(pods: PodManager | undefined): readonly MeasuredPod[] {
  return (pods?.runners() ?? []).flatMap(({ pod, stats }) => {
    const { namespace = '', name = '' } = pod.metadata;
    return stats === undefined ? [] : [{ namespace, pod: name, container: pod.spec?.containers[0]?.name ?? '', stats }];
  });
}
