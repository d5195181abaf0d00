// The store in memory: for tests, and as the plainest statement of what the others must do. Nothing survives the process.

import { StorageError } from '../errors.ts';
import { EventLog } from '../event-log.ts';
import type { Mutation, Storage, StorageEvent, StoredValue } from '../storage.ts';

export interface MemoryStorageOptions {
  /** Events kept for watchers; default 10,000. */
  readonly window?: number;
}

export function createMemoryStorage(options: MemoryStorageOptions = {}): Storage {
  const values = new Map<string, StoredValue>();
  const log = new EventLog(0, options.window ?? 10_000);
  let revision = 0;
  let closed = false;

  const open = (): void => {
    if (closed) throw new StorageError('Closed', 'the store is closed');
  };

  return {
    async get(key) {
      open();
      return values.get(key);
    },
    async list({ prefix, after = '', limit = Number.POSITIVE_INFINITY }) {
      open();
      const keys = [...values.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
      const items = keys.slice(0, limit).flatMap((key) => values.get(key) ?? []);
      return { items, revision, more: keys.length > items.length };
    },
    async revision() {
      open();
      return revision;
    },
    async commit(mutations) {
      open();
      for (const mutation of mutations) expectAt(mutation, values.get(mutation.key));
      revision += 1;
      const events = mutations.map((mutation): StorageEvent => {
        const previous = values.get(mutation.key);
        if (mutation.type === 'delete') {
          values.delete(mutation.key);
          return { type: 'delete', key: mutation.key, revision, previous: previous ?? missing(mutation.key) };
        }
        const { key, value } = mutation;
        values.set(key, { key, value, createRevision: previous?.createRevision ?? revision, modRevision: revision });
        return { type: 'put', key, value, revision, previous };
      });
      log.append(events);
      return revision;
    },
    watch: (prefix, after, signal) => log.watch(prefix, after, signal),
    async close() {
      closed = true;
      log.close();
    },
  };
}

/** Throws Conflict when what is there is not what the mutation expects. */
export function expectAt(mutation: Mutation, current: StoredValue | undefined): void {
  const actual = current?.modRevision ?? 0;
  if (actual === mutation.expect && !(mutation.type === 'delete' && current === undefined)) return;
  throw new StorageError('Conflict', `${mutation.key} is at revision ${actual}, not ${mutation.expect}`, { key: mutation.key });
}

function missing(key: string): never {
  throw new StorageError('Corrupt', `${key} went away inside a transaction`);
}
