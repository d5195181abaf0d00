// The durable store: one LMDB environment. Concurrent commits share one transaction and one fsync; each is acknowledged, and told to
// watchers, only after its own is on disk. A value is stored as its create and mod revision (two float64, exact to 2^53), then the bytes.

import { mkdirSync } from 'node:fs';
import { open, type Database, type RootDatabase } from 'lmdb';
import { StorageError } from '../errors.ts';
import { EventLog } from '../event-log.ts';
import { expectAt } from '../memory/memory-storage.ts';
import type { Mutation, Revision, Storage, StorageEvent, StoredValue } from '../storage.ts';

export interface LmdbStorageOptions {
  /** Directory of the environment; made when it is not there. */
  readonly path: string;
  /** Events kept for watchers; default 10,000. */
  readonly window?: number;
}

const HEADER_BYTES = 16;
const FORMAT = 1;
/** Sorts after every character a key may hold. */
const LAST = '\uffff';

/** StorageError Io, ReadOnly or NoSpace when the directory cannot be used; Corrupt when a newer release wrote it. */
export function openLmdbStorage(options: LmdbStorageOptions): Storage {
  const { environment, values, meta } = openEnvironment(options.path);
  const format = meta.get('format');
  if (format === undefined) meta.putSync('format', FORMAT);
  else if (format !== FORMAT) {
    throw new StorageError('Corrupt', `${options.path} has store format ${format}, and this release reads ${FORMAT}: use the release that wrote it`);
  }
  let durable: Revision = meta.get('revision') ?? 0;
  const log = new EventLog(durable, options.window ?? 10_000);
  const acknowledged = new Map<Revision, readonly StorageEvent[]>();
  let closed = false;

  const ensureOpen = (): void => {
    if (closed) throw new StorageError('Closed', 'the store is closed');
  };
  const read = (key: string): StoredValue | undefined => decode(key, values.get(key));

  /** Runs inside LMDB's write transaction, which sees the commits before it in the same batch. */
  function transact(mutations: readonly Mutation[]): readonly StorageEvent[] | StorageError {
    const before = mutations.map((mutation) => read(mutation.key));
    try {
      for (const [index, mutation] of mutations.entries()) expectAt(mutation, before[index]);
    } catch (error) {
      if (error instanceof StorageError) return error;
      throw error;
    }
    const revision = (meta.get('revision') ?? 0) + 1;
    const events = mutations.map((mutation, index): StorageEvent => {
      const previous = before[index];
      const { key } = mutation;
      if (mutation.type === 'delete') {
        void values.remove(key);
        return { type: 'delete', key, revision, previous: previous as StoredValue };
      }
      void values.put(key, encode(previous?.createRevision ?? revision, revision, mutation.value));
      return { type: 'put', key, value: mutation.value, revision, previous };
    });
    void meta.put('revision', revision);
    return events;
  }

  /** Promises of one batch may resolve in any order: watchers hear revisions in theirs. */
  function release(): void {
    for (let events = acknowledged.get(durable + 1); events !== undefined; events = acknowledged.get(durable + 1)) {
      durable += 1;
      acknowledged.delete(durable);
      log.append(events);
    }
  }

  return {
    async get(key) {
      ensureOpen();
      return read(key);
    },
    async list({ prefix, after, limit }) {
      ensureOpen();
      const items: StoredValue[] = [];
      let more = false;
      const start = after === undefined || after < prefix ? prefix : after;
      for (const { key, value } of values.getRange({ start, end: `${prefix}${LAST}`, snapshot: true })) {
        if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue;
        if (limit !== undefined && items.length >= limit) {
          more = true;
          break;
        }
        const item = decode(key, value);
        if (item !== undefined) items.push(item);
      }
      return { items, revision: meta.get('revision') ?? 0, more };
    },
    async revision() {
      ensureOpen();
      return durable;
    },
    async commit(mutations) {
      ensureOpen();
      let outcome: readonly StorageEvent[] | StorageError;
      try {
        outcome = await environment.transaction(() => transact(mutations));
        await environment.flushed;
      } catch (cause) {
        throw failure(cause, options.path);
      }
      if (outcome instanceof StorageError) throw outcome;
      const revision = outcome[0]?.revision ?? durable;
      acknowledged.set(revision, outcome);
      release();
      return revision;
    },
    watch: (prefix, after, signal) => log.watch(prefix, after, signal),
    async close() {
      if (closed) return;
      closed = true;
      log.close();
      await environment.close();
    },
  };
}

interface Opened {
  readonly environment: RootDatabase;
  readonly values: Database<Buffer, string>;
  readonly meta: Database<number, string>;
}

function openEnvironment(path: string): Opened {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // `overlappingSync` would let a transaction be seen before it is on disk.
    const environment = open({ path, overlappingSync: false, maxDbs: 8, mapSize: 256 * 1024 * 1024 });
    return {
      environment,
      values: environment.openDB<Buffer, string>({ name: 'values', encoding: 'binary' }),
      meta: environment.openDB<number, string>({ name: 'meta', encoding: 'ordered-binary' }),
    };
  } catch (cause) {
    throw failure(cause, path);
  }
}

function failure(cause: unknown, path: string): StorageError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = (cause as { readonly code?: unknown } | null)?.code;
  if (code === 'EACCES' || code === 'EROFS' || /permission denied|read-only/i.test(text)) return new StorageError('ReadOnly', `${path} cannot be written: ${text}`, { cause });
  if (code === 'ENOSPC' || /no space left|MDB_MAP_FULL/i.test(text)) return new StorageError('NoSpace', `no room left at ${path}: ${text}`, { cause });
  if (/MDB_(CORRUPTED|INVALID|PANIC|VERSION_MISMATCH|PAGE_NOTFOUND)/.test(text)) return new StorageError('Corrupt', `${path} is not a readable store: ${text}`, { cause });
  return new StorageError('Io', `${path}: ${text}`, { cause });
}

function encode(createRevision: Revision, modRevision: Revision, value: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + value.length);
  bytes.writeDoubleBE(createRevision, 0);
  bytes.writeDoubleBE(modRevision, 8);
  bytes.set(value, HEADER_BYTES);
  return bytes;
}

/** The bytes are copied: LMDB's own buffer is only good until the next read. */
function decode(key: string, bytes: Buffer | undefined): StoredValue | undefined {
  if (bytes === undefined) return undefined;
  return { key, createRevision: bytes.readDoubleBE(0), modRevision: bytes.readDoubleBE(8), value: new Uint8Array(bytes.subarray(HEADER_BYTES)) };
}
