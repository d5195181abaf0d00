// The control plane's composition root: store, cache, registry, API server, controllers, scheduler. `startControlPlane` is what
// `copepod up` and `copepod server` call.

import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { isNotFound } from '@copepod/api/errors';
import { type AnyKind, KINDS, NAMESPACE } from '@copepod/api/kinds';
import { type Clock, systemClock } from '@copepod/client/clock';
import type { Transport } from '@copepod/client/rest';
import { createArtifactRoutes, createArtifactStore } from './artifacts/index.ts';
import { runControllers } from './controllers/index.ts';
import { lockDirectory } from './lock.ts';
import { createJoinRoutes, createJoinTokens, ensureClusterPki, renderKubeconfig, writeAtomically } from './pki/index.ts';
import { createRegistry, type Registry } from './registry/index.ts';
import { runScheduler } from './scheduler/index.ts';
import { ADMIN_GROUP, createDispatch, createHttpServer, createInProcessTransport, createPodLog, NODE_GROUP, type User } from './server/index.ts';
import { createMemoryStorage, isStorageError, openLmdbStorage, runCompactor, runSnapshots, type SnapshotPlan, type Storage } from './storage/index.ts';
import { createStoreRoutes } from './store-routes.ts';
import { createWatchCache } from './watch-cache/index.ts';

export { LockError } from './lock.ts';
export { isStorageError } from './storage/index.ts';

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ControlPlaneOptions {
  readonly dataDir: string;
  readonly store: 'lmdb' | 'memory';
  readonly host: string;
  /** 0 picks a free one. */
  readonly apiPort: number;
  /** Addresses and names, beside this machine's own, that the server's certificate must carry. */
  readonly extraNames: readonly string[];
  readonly log: Log;
  readonly clock?: Clock;
  /** Snapshots of the store by the clock; none without it, and none of a store in memory. */
  readonly snapshots?: SnapshotPlan | undefined;
  /** Tunables of the node life cycle, milliseconds. */
  readonly nodeGraceMs?: number;
  readonly nodeEvictionMs?: number;
}

export interface ControlPlane {
  readonly apiUrl: string;
  readonly kubeconfig: string;
  readonly joinToken: string;
  readonly storage: Storage;
  /** The API as this identity, without a socket. */
  transportFor(user: User): Transport;
  close(): Promise<void>;
}

export const ADMIN: User = { name: 'copepod-admin', groups: [ADMIN_GROUP, 'system:authenticated'] };
const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];
const release = (JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as { version: string }).version;

/** Node names may touch only what is theirs. */
export function nodeUser(nodeName: string): User {
  return { name: `system:node:${nodeName}`, groups: [NODE_GROUP, 'system:authenticated'] };
}

/** LockError, StorageError, or the listener's own error (`EADDRINUSE`…) when it cannot start; nothing is left running then. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { dataDir, log, clock = systemClock } = options;
  mkdirSync(dataDir, { recursive: true });
  const unlock = lockDirectory(dataDir);
  const closers: (() => Promise<void> | void)[] = [unlock];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.toReversed()) await close();
  };
  try {
    const lmdb = options.store === 'memory' ? undefined : openLmdbStorage({ path: join(dataDir, 'store'), clock });
    const storage: Storage = lmdb ?? createMemoryStorage({ clock });
    closers.push(() => storage.close());
    let broken: unknown;
    const cache = await createWatchCache(storage, (error) => {
      broken = error;
      log.error({ err: error }, 'the watch cache lost the store');
    });
    closers.push(() => cache.close());
    const registry = createRegistry({ storage, cache, now: () => clock.now(), random: () => clock.random() });
    const pki = await ensureClusterPki(join(dataDir, 'pki'), ownNames(options.extraNames), clock.now());
    const onInternal = (error: unknown): void => log.error({ err: error }, 'a request failed inside the server');
    const dispatch = createDispatch({
      registry, clock, release, isCompacted: (error) => isStorageError(error, 'Compacted'),
      podLog: createPodLog(registry, { ca: pki.authority.cert, ...pki.kubeletClient }),
      health: async () => (broken === undefined ? undefined : 'the watch cache lost the store: restart the server'),
    });
    await ensureNamespaces(registry);

    const tokens = createJoinTokens(join(dataDir, 'pki', 'join-tokens.json'), pki.pin);
    const joinToken = tokens.create(clock.now());
    writeAtomically(join(dataDir, 'join-token'), `${joinToken}\n`, 0o600);
    const join_ = createJoinRoutes({ pki, tokens, now: () => clock.now() });
    const storeRoutes = createStoreRoutes(storage, lmdb === undefined ? {} : { defragment: () => lmdb.defragment() });
    const artifacts = createArtifactRoutes(createArtifactStore(join(dataDir, 'artifacts')));
    const server = createHttpServer({
      dispatch, onInternal, tls: { ...pki.server, ca: pki.authority.cert },
      extensions: [
        (request) => join_(request),
        (request, user) => storeRoutes(request, user.groups.includes(ADMIN_GROUP)),
        (request, user) => artifacts(request, { mayRead: user.groups.includes('system:authenticated'), mayWrite: user.groups.includes(ADMIN_GROUP) }),
      ],
    });
    server.listen(options.apiPort, options.host);
    await once(server, 'listening');
    closers.push(() => {
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const apiUrl = `https://127.0.0.1:${port}`;
    const kubeconfig = join(dataDir, 'kubeconfig');
    writeAtomically(kubeconfig, renderKubeconfig(apiUrl, pki.authority.cert, pki.admin), 0o600);

    const stop = new AbortController();
    const own = createInProcessTransport(dispatch, { name: 'system:copepod-controller-manager', groups: [ADMIN_GROUP] }, onInternal);
    const running = [
      runCompactor({ storage, clock, onError: (error) => log.warn({ err: error }, 'the store could not be compacted') }, stop.signal),
      ...(lmdb === undefined || options.snapshots === undefined ? [] : [runSnapshots({
        storage: lmdb, clock, plan: options.snapshots,
        onTaken: (file) => log.info({ file }, 'took a snapshot of the store'), onError: (error) => log.error({ err: error }, 'no snapshot of the store could be taken'),
      }, stop.signal)]),
      runControllers({ transport: own, clock, log, kinds: KINDS, nodeGraceMs: options.nodeGraceMs, nodeEvictionMs: options.nodeEvictionMs }, stop.signal),
      runScheduler({ transport: own, clock, log }, stop.signal),
    ];
    closers.push(async () => {
      stop.abort();
      await Promise.all(running);
    });
    log.info({ apiUrl }, 'API server is ready');
    return { apiUrl, kubeconfig, joinToken, storage, transportFor: (user) => createInProcessTransport(dispatch, user, onInternal), close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function ownNames(extra: readonly string[]): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []).filter((entry) => !entry.address.startsWith('fe80')).map((entry) => entry.address);
  return [...new Set(['localhost', 'copepod-apiserver', 'kubernetes', 'kubernetes.default.svc', hostname().toLowerCase(), '127.0.0.1', ...addresses, ...extra])];
}

async function ensureNamespaces(registry: Registry): Promise<void> {
  const kind = NAMESPACE as unknown as AnyKind;
  for (const name of NAMESPACES) {
    try {
      registry.get(kind, { namespace: undefined, name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await registry.create(kind, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { dryRun: false });
    }
  }
}
