// One error class for the layer; callers look at `code`.

export type StorageErrorCode =
  | 'Conflict' | 'Compacted' | 'Future' | 'Invalid' | 'NoLease'
  | 'Closed' | 'Locked' | 'ReadOnly' | 'NoSpace' | 'Corrupt' | 'Io'
  /** The files were written by a later release. */
  | 'Newer'
  /** Not reached, or it has no leader now: nothing was written. */
  | 'Unavailable'
  /** The connection or the time ran out with a write under way: it may have been written. */
  | 'Uncertain';

export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;
  /** For Conflict: the key whose expectation failed. */
  readonly key: string | undefined;
  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions & { key?: string }) {
    super(message, options);
    this.code = code;
    this.key = options?.key;
  }
}

export function isStorageError(value: unknown, code?: StorageErrorCode): value is StorageError {
  return value instanceof StorageError && (code === undefined || value.code === code);
}

/** `revision` is older than what is kept. */
export function compactedAt(revision: number, compacted: number): StorageError {
  return new StorageError('Compacted', `revision ${revision} is no longer kept; the oldest is ${compacted}`);
}

/** `revision` is newer than the store's. */
export function notYetAt(revision: number, current: number): StorageError {
  return new StorageError('Future', `revision ${revision} is not reached yet; the store is at ${current}`);
}

export function closedStore(): StorageError {
  return new StorageError('Closed', 'the store is closed');
}

export function noLease(lease: string): StorageError {
  return new StorageError('NoLease', `lease ${lease} is over or never was`);
}
