// One LMDB environment and the tables in it; what is on disk has a format with a number, older ones are brought up to date when the
// store is opened, newer ones refused.

import { closeSync, existsSync, mkdirSync, openSync, readSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import { StorageError } from '../errors.ts';
import type { Revision } from '../storage.ts';
import { encodeRecord, type Position, positionOf, revisionOf } from './records.ts';

export interface Environment {
  readonly root: RootDatabase;
  /** Every version that is kept, by position. */
  readonly log: Database<Buffer, Position>;
  /** Keys that are there → their newest version. */
  readonly live: Database<Position, string>;
  /** Keys that are not there, while the log still tells of them → the version that says so. */
  readonly graves: Database<Position, string>;
  /** Lease → its seconds. */
  readonly leases: Database<number, number>;
  /** Lease and key → 1. */
  readonly attached: Database<number, [number, string]>;
  /** `format`; `compacted` and `swept`, revisions; `lease`, the last one granted. */
  readonly meta: Database<number, string>;
}

export interface EnvironmentOptions {
  readonly readOnly?: boolean;
}

const FORMAT = 2;
/** Where the map begins; LMDB makes it larger by itself. */
const MAP_BYTES = 256 * 1024 * 1024;
/** Two pages that say where everything is, each with LMDB's own mark. */
const SMALLEST_BYTES = 8192;
const MAGIC = Buffer.from('dec0efbe', 'hex');
/** With less left a disk counts as full. */
const FULL_BYTES = 1024 * 1024;

/**
 * StorageError ReadOnly, NoSpace or Io when the directory cannot be used, Newer when a later release wrote it, Corrupt when it is
 * no store. Read only, the store may be in use by another process, and `path` may be a snapshot's file.
 */
export function openEnvironment(path: string, { readOnly = false }: EnvironmentOptions = {}): Environment {
  try {
    if (!readOnly) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      // What a defragmentation that was killed left.
      rmSync(join(path, 'defrag'), { recursive: true, force: true });
    }
    const file = statSync(path).isFile() ? path : join(path, 'data.mdb');
    checkFile(file, readOnly);
    const options: RootDatabaseOptionsWithPath & { readonly trackMetrics: boolean } = {
      path, readOnly, maxDbs: 12, mapSize: MAP_BYTES, noSubdir: file === path, trackMetrics: true,
      // It would let a transaction be seen before it is on disk.
      overlappingSync: false,
      // The writer makes the batches; the library's own would leave a rejection nobody handles when a commit fails.
      eventTurnBatching: false,
    };
    const root = open(options);
    if (file === path) checkLength(root, path);
    return prepare(root, path, readOnly);
  } catch (cause) {
    throw failure(cause, path);
  }
}

/** LMDB takes whatever it finds for its own, and reads beyond its end: what is no store must not come to it. */
function checkFile(file: string, readOnly: boolean): void {
  const head = headOf(file);
  if (head.includes(MAGIC) && head.length === SMALLEST_BYTES) return;
  // A power cut while it was made, before anything was written to it.
  const unfinished = head.length < SMALLEST_BYTES || head.every((byte) => byte === 0);
  if (readOnly || !unfinished) throw new StorageError('Corrupt', `${file} is no store`);
  rmSync(file, { force: true });
}

function headOf(file: string): Buffer {
  const head = Buffer.alloc(SMALLEST_BYTES);
  if (!existsSync(file)) return head.subarray(0, 0);
  const descriptor = openSync(file, 'r');
  try {
    return head.subarray(0, readSync(descriptor, head, 0, head.length, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** Of a snapshot, whose file is as long as its last page says. */
function checkLength(root: RootDatabase, file: string): void {
  const { lastPageNumber, pageSize } = root.getStats() as { readonly lastPageNumber: number; readonly pageSize: number };
  if (statSync(file).size < (lastPageNumber + 1) * pageSize) throw new StorageError('Corrupt', `${file} is cut short`);
}

function prepare(root: RootDatabase, path: string, readOnly: boolean): Environment {
  const meta = root.openDB<number, string>({ name: 'meta', encoding: 'ordered-binary' });
  const format = meta.get('format');
  if (format !== undefined && format > FORMAT) {
    throw new StorageError('Newer', `${path} has store format ${format}, and this release reads up to ${FORMAT}: use the release that wrote it, or a later one`);
  }
  if (readOnly && format !== FORMAT) throw new StorageError('Corrupt', format === undefined ? `${path} is no store` : `${path} has store format ${format}: start the server once, which brings it up to date`);
  const environment: Environment = {
    root, meta,
    log: root.openDB<Buffer, Position>({ name: 'log', encoding: 'binary' }),
    live: root.openDB<Position, string>({ name: 'live', encoding: 'ordered-binary' }),
    graves: root.openDB<Position, string>({ name: 'graves', encoding: 'ordered-binary' }),
    leases: root.openDB<number, number>({ name: 'leases', encoding: 'ordered-binary' }),
    attached: root.openDB<number, [number, string]>({ name: 'attached', encoding: 'ordered-binary' }),
  };
  if (format === undefined) meta.putSync('format', FORMAT);
  if (format === 1) migrate(environment);
  return environment;
}

/** Format 1 held current values alone: what came before them was never on disk, so the log begins here. */
function migrate({ root, log, live, meta }: Environment): void {
  const values = root.openDB<Buffer, string>({ name: 'values', encoding: 'binary' });
  root.transactionSync(() => {
    const places = new Map<Revision, number>();
    for (const { key, value: bytes } of values.getRange()) {
      const createRevision = bytes.readDoubleBE(0);
      const revision = bytes.readDoubleBE(8);
      const place = places.get(revision) ?? 0;
      places.set(revision, place + 1);
      const position = positionOf(revision, place);
      void log.put(position, encodeRecord({ key, value: bytes.subarray(16), lease: undefined, depth: 0, createRevision, previous: 0, jump: 0 }));
      void live.put(key, position);
    }
    const revision = meta.get('revision') ?? 0;
    void meta.put('compacted', revision);
    void meta.put('swept', revision);
    void meta.put('format', FORMAT);
    void meta.remove('revision');
  });
  values.dropSync();
}

/** The newest revision this reader sees; the log is never empty above what was compacted. */
export function revisionIn({ log, meta }: Environment): Revision {
  let last = 0;
  for (const position of log.getKeys({ reverse: true, limit: 1 })) last = revisionOf(position);
  return Math.max(last, meta.get('compacted') ?? 0);
}

/** What LMDB or the system said, as a StorageError. */
export function failure(cause: unknown, path: string): StorageError {
  if (cause instanceof StorageError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = (cause as { readonly code?: unknown } | null)?.code;
  if (code === 'EACCES' || code === 'EROFS' || code === 13 || code === 30 || /permission denied|read-only/i.test(text)) return new StorageError('ReadOnly', `${path} cannot be written: ${text}`, { cause });
  if (code === 'ENOSPC' || code === 28 || /no space left|MDB_MAP_FULL/i.test(text) || (code === 5 && isFull(path))) return new StorageError('NoSpace', `no room left on the disk of ${path}: free some, writes go on by themselves then`, { cause });
  if (/MDB_(CORRUPTED|INVALID|PANIC|VERSION_MISMATCH|PAGE_NOTFOUND)/.test(text)) return new StorageError('Corrupt', `${path} is not a readable store: ${text}`, { cause });
  return new StorageError('Io', `${path}: ${text}`, { cause });
}

/** The library tells why a commit failed in a promise of its own. */
export async function commitFailure(cause: unknown, path: string): Promise<StorageError> {
  const { commitError } = cause as { readonly commitError?: Promise<never> };
  try {
    await commitError;
    return failure(cause, path);
  } catch (reason) {
    return failure(reason, path);
  }
}

/** What fits in part only is told as an error of input and output. */
function isFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < FULL_BYTES;
  } catch {
    return false;
  }
}
