// The store in memory: for tests and clusters that keep nothing, and as the plainest statement of what the others must do.

import { type Clock, systemClock } from '@copepod/client/clock';
import { closedStore, compactedAt, noLease, notYetAt, StorageError } from '../errors.ts';
import { checkSeconds, Lessor } from '../lessor.ts';
import { checkLimit, checkMutations, expectAt } from '../mutations.ts';
import type { LeaseId, Mutation, ReadOptions, Revision, Storage, StorageEvent, StoredValue } from '../storage.ts';
import { firstAfter, WatchHub } from '../watch-hub.ts';

export interface MemoryStorageOptions {
  readonly clock?: Clock;
}

/** What a key was from a revision on; undefined of value: not there. */
interface Version {
  readonly revision: Revision;
  readonly stored: StoredValue | undefined;
}

/** Events a slow watcher is handed at once, about. */
const CHUNK = 500;

export function createMemoryStorage({ clock = systemClock }: MemoryStorageOptions = {}): Storage {
  /** Oldest first. */
  const versions = new Map<string, Version[]>();
  let log: StorageEvent[] = [];
  let revision: Revision = 0;
  let compacted: Revision = 0;
  let leases = 0;
  let closed = false;
  const attached = new Map<LeaseId, Set<string>>();
  const lessor = new Lessor(clock, async (id) => end(id));
  const hub = new WatchHub({
    revision: () => revision,
    compacted: () => compacted,
    async read(after) {
      const start = firstAfter(log, after);
      let stop = Math.min(start + CHUNK, log.length);
      while (stop < log.length && log[stop]?.revision === log[stop - 1]?.revision) stop += 1;
      return { events: log.slice(start, stop), revision: stop === log.length ? revision : log[stop - 1]?.revision ?? revision };
    },
  });

  const open = (): void => {
    if (closed) throw closedStore();
  };
  const newest = (key: string): StoredValue | undefined => versions.get(key)?.at(-1)?.stored;
  const at = (key: string, wanted: Revision): StoredValue | undefined => versions.get(key)?.findLast((version) => version.revision <= wanted)?.stored;

  function readable({ revision: wanted = revision }: ReadOptions): Revision {
    open();
    if (wanted > revision) throw notYetAt(wanted, revision);
    if (wanted < compacted) throw compactedAt(wanted, compacted);
    return wanted;
  }

  function apply(mutation: Exclude<Mutation, { type: 'check' }>): StorageEvent {
    const { key } = mutation;
    const previous = newest(key);
    if (previous?.lease !== undefined) attached.get(previous.lease)?.delete(key);
    const lease = mutation.type === 'put' ? mutation.lease : undefined;
    const stored = mutation.type === 'put' ? { key, value: mutation.value, createRevision: previous?.createRevision ?? revision, modRevision: revision, lease } : undefined;
    const all = versions.get(key);
    if (all === undefined) versions.set(key, [{ revision, stored }]);
    else all.push({ revision, stored });
    if (lease !== undefined) attached.get(lease)?.add(key);
    if (stored !== undefined) return { type: 'put', key, value: stored.value, revision, lease, previous };
    if (previous === undefined) throw new StorageError('Corrupt', `${key} went away inside a transaction`);
    return { type: 'delete', key, revision, previous };
  }

  function commit(mutations: readonly Mutation[]): Revision {
    for (const mutation of mutations) {
      expectAt(mutation, newest(mutation.key));
      if (mutation.type === 'put' && mutation.lease !== undefined && !lessor.has(mutation.lease)) throw noLease(mutation.lease);
    }
    revision += 1;
    const events = mutations.flatMap((mutation) => (mutation.type === 'check' ? [] : apply(mutation)));
    log.push(...events);
    hub.append(events, revision);
    return revision;
  }

  function end(id: LeaseId): void {
    const keys = [...attached.get(id) ?? []];
    if (keys.length > 0) commit(keys.map((key) => ({ type: 'delete', key, expect: newest(key)?.modRevision ?? 0 })));
    attached.delete(id);
    lessor.remove(id);
  }

  return {
    async get(key, options = {}) {
      return at(key, readable(options));
    },
    async list({ prefix, after = '', limit, ...options }) {
      const wanted = readable(options);
      checkLimit(limit);
      const found = [...versions.keys()].filter((key) => key.startsWith(prefix) && key > after).sort().flatMap((key) => at(key, wanted) ?? []);
      const items = found.slice(0, limit);
      return { items, revision: wanted, more: found.length > items.length };
    },
    async revision() {
      open();
      return revision;
    },
    async commit(mutations) {
      open();
      checkMutations(mutations);
      return commit(mutations);
    },
    watch: (options) => hub.watch(options),
    async grant(seconds) {
      open();
      checkSeconds(seconds);
      const id = String((leases += 1));
      attached.set(id, new Set());
      lessor.add(id, seconds);
      return id;
    },
    async keepAlive(id) {
      open();
      return lessor.keepAlive(id);
    },
    async revoke(id) {
      open();
      if (!lessor.has(id)) throw noLease(id);
      end(id);
    },
    async compact(wanted) {
      open();
      if (wanted > revision) throw notYetAt(wanted, revision);
      if (wanted <= compacted) return;
      compacted = wanted;
      log = log.slice(firstAfter(log, compacted));
      for (const [key, all] of versions) {
        const kept = all.slice(Math.max(0, firstAfter(all, compacted) - 1)).filter((version) => version.stored !== undefined || version.revision > compacted);
        if (kept.length === 0) versions.delete(key);
        else versions.set(key, kept);
      }
    },
    async status() {
      open();
      const keys = [...versions.keys()].filter((key) => newest(key) !== undefined).length;
      return {
        implementation: 'memory', revision, compacted,
        figures: [
          { name: 'keys', help: 'Keys that are there now', kind: 'gauge', value: keys },
          { name: 'leases', help: 'Leases under way', kind: 'gauge', value: lessor.size },
          { name: 'watchers', help: 'Watches under way', kind: 'gauge', value: hub.size },
        ],
      };
    },
    async close() {
      closed = true;
      lessor.close();
      hub.close();
    },
  };
}
