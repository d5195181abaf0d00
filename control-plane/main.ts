// The control plane's composition root: store, cache, registry, API server, controllers, scheduler. `startControlPlane` is what
// `copepod up` and `copepod server` call.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { isAlreadyExists, isNotFound } from '@copepod/api/errors';
import { type AnyKind, KINDS, NAMESPACE } from '@copepod/api/kinds';
import { type Clock, systemClock } from '@copepod/client/clock';
import type { Transport } from '@copepod/client/rest';
import { createArtifactRoutes, createArtifactStore } from './artifacts/index.ts';
import { runControllers } from './controllers/index.ts';
import { type ElectionTimes } from './leader/index.ts';
import { lockDirectory } from './lock.ts';
import { runPresence, shareAuthority, sharedTokens } from './masters.ts';
import { createJoinRoutes, createJoinTokens, ensureClusterPki, renderKubeconfig, tokenFile, writeAtomically } from './pki/index.ts';
import { createRegistry, type Registry } from './registry/index.ts';
import { runRoles } from './roles.ts';
import { runScheduler } from './scheduler/index.ts';
import { ADMIN_GROUP, createDispatch, createHttpServer, createInProcessTransport, createPodLog, type Dispatch, NODE_GROUP, type User } from './server/index.ts';
import { createMemoryStorage, type EtcdStorageOptions, isStorageError, type LmdbStorage, openEtcdStorage, openLmdbStorage, runCompactor, runSnapshots, type SnapshotPlan, type Storage } from './storage/index.ts';
import { createSharedArtifacts, REPLICA } from './shared-artifacts.ts';
import { createStoreRoutes } from './store-routes.ts';
import { createWatchCache, type WatchCache } from './watch-cache/index.ts';

export { LockError } from './lock.ts';
export { SealError } from './pki/index.ts';
export { isStorageError } from './storage/index.ts';

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface SharedStore {
  readonly etcd: Pick<EtcdStorageOptions, 'endpoints' | 'tls' | 'user' | 'prefix'>;
  /** Holds the secret under which the servers share their CA; default `cluster-secret` in the data directory. */
  readonly secretFile?: string | undefined;
  /** Where clients and the other servers reach this one; default this machine's address and the API port. */
  readonly advertiseUrl?: string | undefined;
  readonly election?: ElectionTimes | undefined;
}

export interface ControlPlaneOptions {
  readonly dataDir: string;
  /** With `etcd` several servers may run on one store. */
  readonly store: 'lmdb' | 'memory' | SharedStore;
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
const MANAGER: User = { name: 'system:copepod-controller-manager', groups: [ADMIN_GROUP] };
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
    const { storage, lmdb } = await openStore(options, clock);
    const shared = typeof options.store === 'object' ? options.store : undefined;
    closers.push(() => storage.close());
    let broken: unknown;
    const cache = await createWatchCache(storage, (error) => {
      broken = error;
      log.error({ err: error }, 'the watch cache lost the store');
    });
    closers.push(() => cache.close());
    if (shared !== undefined) await shareAuthority({ storage, dataDir, secretFile: shared.secretFile, now: clock.now() });
    const pause = shared === undefined ? undefined : (ms: number): Promise<void> => clock.sleep(2 * ms * clock.random());
    const registryOn = (writable: Storage): Registry => createRegistry({ storage: writable, cache, pause, now: () => clock.now(), random: () => clock.random() });
    const registry = registryOn(storage);
    const pki = await ensureClusterPki(join(dataDir, 'pki'), ownNames(options.extraNames), clock.now());
    const onInternal = (error: unknown): void => log.error({ err: error }, 'a request failed inside the server');
    const dispatchOn = (objects: Registry): Dispatch => createDispatch({
      registry: objects, clock, release, isCompacted: (error) => isStorageError(error, 'Compacted'),
      podLog: createPodLog(objects, { ca: pki.authority.cert, ...pki.kubeletClient }),
      health: () => healthOf({ broken, storage, cache }),
    });
    const dispatch = dispatchOn(registry);
    await ensureNamespaces(registry);

    const tokens = createJoinTokens(shared === undefined ? tokenFile(join(dataDir, 'pki', 'join-tokens.json')) : sharedTokens(storage), pki.pin);
    const joinToken = await tokens.create(clock.now());
    writeAtomically(join(dataDir, 'join-token'), `${joinToken}\n`, 0o600);
    const join_ = createJoinRoutes({ pki, tokens, now: () => clock.now() });
    const storeRoutes = createStoreRoutes(storage, lmdb === undefined ? {} : { defragment: () => lmdb.defragment() });
    const localArtifacts = createArtifactStore(join(dataDir, 'artifacts'));
    let others: readonly string[] = [];
    const ownArtifacts = createArtifactRoutes(localArtifacts);
    const artifacts = shared === undefined ? ownArtifacts : createArtifactRoutes(createSharedArtifacts({
      local: localArtifacts, storage, others: () => others, identity: pki.admin, ca: pki.authority.cert,
      onError: (error, url) => log.warn({ err: error, server: url }, 'a component could not be exchanged with another server'),
    }));
    const server = createHttpServer({
      dispatch, onInternal, tls: { ...pki.server, ca: pki.authority.cert },
      extensions: [
        (request) => join_(request),
        (request, user) => storeRoutes(request, user.groups.includes(ADMIN_GROUP)),
        (request, user) => (new URL(request.url).searchParams.has(REPLICA) ? ownArtifacts : artifacts)(request, { mayRead: user.groups.includes('system:authenticated'), mayWrite: user.groups.includes(ADMIN_GROUP) }),
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
    const knowOthers = (urls: readonly string[]): void => {
      others = urls;
      writeAtomically(kubeconfig, renderKubeconfig(apiUrl, pki.authority.cert, pki.admin, others), 0o600);
    };
    knowOthers([]);

    const stop = new AbortController();
    const identity = `${hostname().toLowerCase()}_${randomUUID()}`;
    const warn = (message: string) => (error: unknown): void => log.warn({ err: error }, message);
    const running = [
      ...(lmdb === undefined || options.snapshots === undefined ? [] : [runSnapshots({
        storage: lmdb, clock, plan: options.snapshots,
        onTaken: (file) => log.info({ file }, 'took a snapshot of the store'), onError: (error) => log.error({ err: error }, 'no snapshot of the store could be taken'),
      }, stop.signal)]),
      ...(shared === undefined ? [] : [runPresence({
        storage, clock, identity, url: shared.advertiseUrl ?? `https://${reachableAt(options.host)}:${port}`, onOthers: knowOthers,
        onError: warn('this server could not show itself to the others'),
      }, stop.signal)]),
      runRoles({
        storage, clock, log, identity, elected: shared !== undefined, times: shared?.election,
        transportOn: (writable) => createInProcessTransport(writable === storage ? dispatch : dispatchOn(registryOn(writable)), MANAGER, onInternal),
        roles: [
          {
            name: 'copepod-controller-manager',
            run: async ({ transport, storage: writable }, signal) => {
              await Promise.all([
                runCompactor({ storage: writable, clock, onError: warn('the store could not be compacted') }, signal),
                runControllers({ transport, clock, log, kinds: KINDS, nodeGraceMs: options.nodeGraceMs, nodeEvictionMs: options.nodeEvictionMs }, signal),
              ]);
            },
          },
          { name: 'copepod-scheduler', run: ({ transport }, signal) => runScheduler({ transport, clock, log }, signal) },
        ],
      }, stop.signal),
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

async function openStore({ store, dataDir, log }: ControlPlaneOptions, clock: Clock): Promise<{ readonly storage: Storage; readonly lmdb?: LmdbStorage }> {
  if (store === 'memory') return { storage: createMemoryStorage({ clock }) };
  if (store !== 'lmdb') return { storage: await openEtcdStorage({ ...store.etcd, clock, onTrouble: (error) => log.warn({ err: error }, 'the watch of etcd broke and goes on') }) };
  const lmdb = openLmdbStorage({ path: join(dataDir, 'store'), clock });
  return { storage: lmdb, lmdb };
}

async function healthOf({ broken, storage, cache }: { readonly broken: unknown; readonly storage: Storage; readonly cache: WatchCache }): Promise<string | undefined> {
  if (broken !== undefined) return 'the watch cache lost the store: restart the server';
  try {
    await cache.waitFor(await storage.revision());
    return undefined;
  } catch (error) {
    return `the store does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The address others use when this server listens on `host`. */
function reachableAt(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host.includes(':') ? `[${host}]` : host;
  return Object.values(networkInterfaces()).flatMap((entries) => entries ?? []).find((entry) => !entry.internal && entry.family === 'IPv4')?.address ?? '127.0.0.1';
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
      await registry.create(kind, undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { dryRun: false }).catch((failure: unknown) => {
        // Another server that starts at the same moment.
        if (!isAlreadyExists(failure)) throw failure;
      });
    }
  }
}
