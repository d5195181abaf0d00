// Public names of the store.
export type { ListOptions, ListResult, Mutation, Revision, Storage, StorageEvent, StorageReader, StorageWatcher, StorageWriter, StoredValue } from './storage.ts';
export type { StorageErrorCode } from './errors.ts';
export { isStorageError, StorageError } from './errors.ts';
export type { MemoryStorageOptions } from './memory/memory-storage.ts';
export { createMemoryStorage } from './memory/memory-storage.ts';
export type { LmdbStorageOptions } from './lmdb/lmdb-storage.ts';
export { openLmdbStorage } from './lmdb/lmdb-storage.ts';
