// The storage seam: a multi-version key-value store of opaque bytes. Implementations: LMDB, memory (etcd later); decorators
// implement it too. All of them pass `suite.ts`. A write is acknowledged only when it would survive `kill -9` and power loss.

/** Positive, grows by one with each committed transaction of the whole store. Safe integer. */
export type Revision = number;

export interface StoredValue {
  readonly key: string;
  /** Must not be mutated by anyone. */
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
}

export interface ListOptions {
  readonly prefix: string;
  /** Only keys greater than this one (continuation). */
  readonly after?: string;
  readonly limit?: number;
}

export interface ListResult {
  readonly items: readonly StoredValue[];
  /** Store revision the result was read at. */
  readonly revision: Revision;
  readonly more: boolean;
}

/** `expect`: 0 the key must be absent; a revision, its modRevision must be exactly this. */
export type Mutation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly expect: Revision }
  | { readonly type: 'delete'; readonly key: string; readonly expect: Revision };

export type StorageEvent =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly revision: Revision; readonly previous: StoredValue | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision; readonly previous: StoredValue };

export interface StorageReader {
  get(key: string): Promise<StoredValue | undefined>;
  /** Keys in byte order, all read at one revision. */
  list(options: ListOptions): Promise<ListResult>;
  revision(): Promise<Revision>;
}

export interface StorageWriter {
  /** All mutations or none, at one revision, which is returned after it is durable. StorageError Conflict names the key and what is there. */
  commit(mutations: readonly Mutation[]): Promise<Revision>;
}

export interface StorageWatcher {
  /**
   * Every event under `prefix` with revision > `after`, in revision order, none twice, none missed; batches are what one
   * commit group brought. Ends when the signal aborts; throws StorageError Compacted when `after` is below what is kept.
   */
  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<readonly StorageEvent[]>;
}

export interface Storage extends StorageReader, StorageWriter, StorageWatcher {
  close(): Promise<void>;
}
