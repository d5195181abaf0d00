// What several servers on one store have in common beside the objects: the sealed CA, the join tokens, and who of them is there. None of
// it is under /registry, so no client of the API sees it.

import { join } from 'node:path';
import type { Clock } from '@copepod/client/clock';
import { createAuthority, keepAuthority, type KnownToken, readAuthority, readSecret, seal, SealError, type TokenBook, unseal, writeSecret } from './pki/index.ts';
import { isStorageError, type LeaseId, type Storage } from './storage/index.ts';

const AUTHORITY = '/cluster/authority';
const TOKENS = '/join-tokens/';
const MASTERS = '/masters/';
/** How long a server that fell silent still counts as there, seconds. */
const MASTER_SECONDS = 15;

export interface AuthorityOptions {
  readonly storage: Storage;
  readonly dataDir: string;
  /** Default: `cluster-secret` in the data directory. */
  readonly secretFile?: string | undefined;
  readonly now: number;
}

/**
 * Sees to it that this server's CA is the cluster's: the first server seals its own into the store, the others take it from there.
 * SealError when the secret is missing or wrong, or the data directory is of another cluster.
 */
export async function shareAuthority({ storage, dataDir, secretFile = join(dataDir, 'cluster-secret'), now }: AuthorityOptions): Promise<void> {
  const folder = join(dataDir, 'pki');
  const own = readAuthority(folder);
  for (;;) {
    const sealed = await storage.get(AUTHORITY);
    const secret = readSecret(secretFile);
    if (sealed !== undefined) {
      if (secret === undefined) throw new SealError('NoSecret', `this cluster has a server already: copy the file cluster-secret from that server's data directory to ${secretFile} (or name it with --cluster-secret-file)`);
      const authority = unseal(sealed.value, secret);
      if (own !== undefined && own.cert !== authority.cert) throw new SealError('OtherCluster', `the data directory ${dataDir} is of another cluster than the one in etcd: choose an empty one with --data-dir`);
      if (own === undefined) keepAuthority(folder, authority);
      return;
    }
    const authority = own ?? await createAuthority('copepod-ca', now);
    try {
      await storage.commit([{ type: 'put', key: AUTHORITY, value: seal(authority, secret ?? writeSecret(secretFile)), expect: 0 }]);
    } catch (error) {
      // Another server was first, or nobody knows: the store says.
      if (!isStorageError(error, 'Conflict') && !isStorageError(error, 'Uncertain')) throw error;
    }
  }
}

/** Tokens in the store: one that any server gave out joins at every other. */
export function sharedTokens(storage: Storage): TokenBook {
  return {
    async find(id) {
      if (!/^[0-9a-f]+$/.test(id)) return undefined;
      const found = await storage.get(`${TOKENS}${id}`);
      return found === undefined ? undefined : JSON.parse(Buffer.from(found.value).toString('utf8')) as KnownToken;
    },
    async add(token, now) {
      const lease = await storage.grant(Math.max(1, Math.ceil((token.expires - now) / 1000)));
      await storage.commit([{ type: 'put', key: `${TOKENS}${token.id}`, value: Buffer.from(JSON.stringify(token)), expect: 0, lease }]);
    },
  };
}

export interface PresenceOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  /** Unlike any other server's. */
  readonly identity: string;
  /** Where clients and the other servers reach this one. */
  readonly url: string;
  /** Told of all the others at the start and when they change. */
  readonly onOthers: (urls: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
}

/** Shows this server to the others, and them to it, until the signal aborts. */
export async function runPresence({ storage, clock, identity, url, onOthers, onError }: PresenceOptions, signal: AbortSignal): Promise<void> {
  const key = `${MASTERS}${identity}`;
  let lease: LeaseId | undefined;
  let told: string | undefined;
  while (!signal.aborted) {
    try {
      lease = await keep(storage, { key, url, lease });
      const { items } = await storage.list({ prefix: MASTERS });
      const others = [...new Set(items.filter((item) => item.key !== key).map((item) => Buffer.from(item.value).toString('utf8')))].filter((other) => other !== url).sort();
      if (others.join() !== told) onOthers(others);
      told = others.join();
    } catch (error) {
      if (isStorageError(error, 'Closed')) return;
      onError(error);
    }
    await clock.sleep((MASTER_SECONDS * 1000) / 5, signal).catch(() => {});
  }
  if (lease === undefined) return;
  await storage.revoke(lease).catch((error: unknown) => {
    if (!isStorageError(error, 'Closed')) onError(error);
  });
}

async function keep(storage: Storage, { key, url, lease }: { readonly key: string; readonly url: string; readonly lease: LeaseId | undefined }): Promise<LeaseId> {
  if (lease !== undefined) {
    try {
      await storage.keepAlive(lease);
      return lease;
    } catch (error) {
      if (!isStorageError(error, 'NoLease')) throw error;
    }
  }
  const fresh = await storage.grant(MASTER_SECONDS);
  const known = await storage.get(key);
  await storage.commit([{ type: 'put', key, value: Buffer.from(url), expect: known?.modRevision ?? 0, lease: fresh }]);
  return fresh;
}
