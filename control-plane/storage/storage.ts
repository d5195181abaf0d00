// The storage seam: a multi-version key-value store of opaque bytes. Implementations: LMDB, etcd, memory; decorators implement it
// too, and all of them pass `suite.ts`. A write is acknowledged only when it would survive `kill -9` and power loss.

/** Positive, grows by one with each committed transaction of the whole store. Safe integer. */
export type Revision = number;

/** Opaque. */
export type LeaseId = string;

export interface StoredValue {
  readonly key: string;
  /** Must not be mutated by anyone. */
  readonly value: Uint8Array;
  /** Of the transaction that made the key, anew after each deletion. */
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** The lease it goes with. */
  readonly lease: LeaseId | undefined;
}

export interface ReadOptions {
  /** Read what was there right after this revision; without it, what is there now. */
  readonly revision?: Revision | undefined;
}

export interface ListOptions extends ReadOptions {
  readonly prefix: string;
  /** Only keys greater than this one (continuation). */
  readonly after?: string | undefined;
  /** At least 1. */
  readonly limit?: number | undefined;
}

export interface ListResult {
  readonly items: readonly StoredValue[];
  /** Revision the result was read at: further pages ask for this one. */
  readonly revision: Revision;
  /** Whether there are further keys under the prefix at this revision. */
  readonly more: boolean;
}

/**
 * `expect`: 0, the key must be absent; a revision, its modRevision must be exactly this. `check` writes nothing and only expects
 * (a leader's fence). A put without `lease` takes the key out of the lease it had.
 */
export type Mutation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly expect: Revision; readonly lease?: LeaseId | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly expect: Revision }
  | { readonly type: 'check'; readonly key: string; readonly expect: Revision };

/** Mutations of one commit; more is Invalid. */
export const MAX_MUTATIONS = 128;

/** Bytes (UTF-8) of a key; longer ones, empty ones and those with a NUL or a surrogate are Invalid. */
export const MAX_KEY_BYTES = 1024;

export type StorageEvent =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly revision: Revision; readonly lease: LeaseId | undefined; readonly previous: StoredValue | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision; readonly previous: StoredValue };

/** All events of the watch up to `revision` have been told, these last; without events it is a sign of progress alone. */
export interface WatchBatch {
  readonly events: readonly StorageEvent[];
  readonly revision: Revision;
}

export interface WatchOptions {
  readonly prefix: string;
  /** The first event told is the first one later than this revision, which may be one not yet reached. */
  readonly after: Revision;
  readonly signal: AbortSignal;
  /** Also tell, without events, that the store has moved on: as soon as the implementation knows. */
  readonly progress?: boolean | undefined;
}

/**
 * Reads are linearizable: they show every write acknowledged before they began. Each may throw StorageError Compacted for a
 * revision below what is kept, Future for one not yet reached.
 */
export interface StorageReader {
  /** Undefined when the key is not there. */
  get(key: string, options?: ReadOptions): Promise<StoredValue | undefined>;
  /** Keys in the order of their bytes, all read at one revision. */
  list(options: ListOptions): Promise<ListResult>;
  revision(): Promise<Revision>;
}

export interface StorageWriter {
  /**
   * All mutations or none, at one revision, which is returned after it is durable. Each key once, at least one write.
   * StorageError: Conflict names the first key that is not as expected; Invalid, what is wrong with the mutations; NoLease;
   * NoSpace, ReadOnly, Io, Unavailable: nothing was written; Uncertain: it may have been.
   */
  commit(mutations: readonly Mutation[]): Promise<Revision>;
}

export interface StorageWatcher {
  /**
   * Every event under `prefix` later than `after`, in revision order, none twice, none missed; the events of one transaction
   * are never parted. Ends when the signal aborts or the store is closed. StorageError Compacted when `after`, or the place a
   * slow reader has come to, is below what is kept. A reader that takes nothing costs no memory.
   */
  watch(options: WatchOptions): AsyncIterable<WatchBatch>;
}

/** Keys that go away by themselves. Time is counted while the store is open: a restart gives each lease its whole time anew. */
export interface StorageLeases {
  /** `seconds`: at least 1; what the implementation rounds up to is told by `keepAlive`. */
  grant(seconds: number): Promise<LeaseId>;
  /** Starts the lease's time anew; its length in seconds. StorageError NoLease when it is over. */
  keepAlive(lease: LeaseId): Promise<number>;
  /** Ends it: the keys that go with it are deleted, and watchers are told, before this resolves. StorageError NoLease. */
  revoke(lease: LeaseId): Promise<void>;
}

/** A figure of one implementation, for people and for metrics. */
export interface StorageFigure {
  /** Snake case, its unit at its end: `file_bytes`. */
  readonly name: string;
  readonly help: string;
  readonly value: number;
  readonly kind: 'gauge' | 'counter';
}

export interface StorageStatus {
  /** `lmdb`, `etcd`, `memory`. */
  readonly implementation: string;
  readonly revision: Revision;
  /** Reads and watches from here on are served; below, Compacted. 0 while nothing was dropped. */
  readonly compacted: Revision;
  readonly figures: readonly StorageFigure[];
}

export interface StorageCompaction {
  /**
   * Gives up reads and watches below `revision`, and resolves once that is durable; the space comes back in the background,
   * and goes on doing so after a restart. Nothing happens when it was compacted so far already. StorageError Future.
   */
  compact(revision: Revision): Promise<void>;
  status(): Promise<StorageStatus>;
}

/** What an implementation can do beyond this (snapshots, defragmentation) is in the type its own `open` returns. */
export interface Storage extends StorageReader, StorageWriter, StorageWatcher, StorageLeases, StorageCompaction {
  /** Waits for commits under way; afterwards everything throws Closed, and watches end. */
  close(): Promise<void>;
}
