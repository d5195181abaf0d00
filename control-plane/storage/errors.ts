// One error class for the layer; callers look at `code`.

export type StorageErrorCode = 'Conflict' | 'Compacted' | 'Closed' | 'Locked' | 'ReadOnly' | 'NoSpace' | 'Corrupt' | 'Io';

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
