// What keeps a deposed leader from writing: a key of the store that each leader rewrites when it begins, and whose revision every write of
// its term insists on, in the same transaction. A leader that slept through its own end is refused by the store itself, whatever its
// clock says.

import { isStorageError, type Mutation, type Revision, type Storage, StorageError } from '../storage/index.ts';

export interface Fence {
  readonly key: string;
  /** Of the leader's own mark. */
  readonly revision: Revision;
}

const ATTEMPTS = 8;

export interface RaiseOptions {
  readonly storage: Storage;
  /** Of the election. */
  readonly name: string;
  readonly identity: string;
  /** The key of the lease by which the leader leads, and the revision at which it took it. */
  readonly lease: { readonly key: string; readonly revision: Revision };
}

/**
 * Begins a term: from here on writes of every earlier one are refused. StorageError Conflict on the lease's key when the lease is
 * somebody else's already.
 */
export async function raiseFence({ storage, name, identity, lease }: RaiseOptions): Promise<Fence> {
  const key = `/leaders/${name}`;
  for (let attempt = 0; ; attempt += 1) {
    const before = await storage.get(key);
    try {
      const revision = await storage.commit([
        { type: 'check', key: lease.key, expect: lease.revision },
        { type: 'put', key, value: new TextEncoder().encode(JSON.stringify({ holder: identity })), expect: before?.modRevision ?? 0 },
      ]);
      return { key, revision };
    } catch (error) {
      if (!isStorageError(error, 'Conflict') || error.key !== key || attempt >= ATTEMPTS) throw error;
    }
  }
}

/** The store as a leader of one term may write it. `onDeposed` is told of the first write that was refused; the writer hears Unavailable. */
export function behindFence(storage: Storage, fence: Fence, onDeposed: () => void): Storage {
  const check: Mutation = { type: 'check', key: fence.key, expect: fence.revision };
  return {
    async commit(mutations) {
      try {
        return await storage.commit([check, ...mutations]);
      } catch (error) {
        if (!isStorageError(error, 'Conflict') || error.key !== fence.key) throw error;
        onDeposed();
        throw new StorageError('Unavailable', 'another server leads now: this write was refused', { cause: error });
      }
    },
    get: (key, options) => storage.get(key, options),
    list: (options) => storage.list(options),
    revision: () => storage.revision(),
    watch: (options) => storage.watch(options),
    grant: (seconds) => storage.grant(seconds),
    keepAlive: (lease) => storage.keepAlive(lease),
    revoke: (lease) => storage.revoke(lease),
    compact: (revision) => storage.compact(revision),
    status: () => storage.status(),
    close: () => Promise.resolve(),
  };
}
