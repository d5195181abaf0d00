// Public names of the store.
export type {
  LeaseId, ListOptions, ListResult, Mutation, ReadOptions, Revision, Storage, StorageCompaction, StorageEvent, StorageFigure, StorageLeases, StorageReader, StorageStatus,
  StorageWatcher, StorageWriter, StoredValue, WatchBatch, WatchOptions,
} from './storage.ts';
export { MAX_KEY_BYTES, MAX_MUTATIONS } from './storage.ts';
export type { StorageErrorCode } from './errors.ts';
export { isStorageError, StorageError } from './errors.ts';
export type { MemoryStorageOptions } from './memory/memory-storage.ts';
export { createMemoryStorage } from './memory/memory-storage.ts';
export type { CompactorOptions, Retention } from './compactor.ts';
export { DEFAULT_RETENTION, runCompactor } from './compactor.ts';
export type { LmdbStorage, LmdbStorageOptions } from './lmdb/lmdb-storage.ts';
export { openLmdbStorage } from './lmdb/lmdb-storage.ts';
export type { Verification } from './lmdb/verify.ts';
export { verifyStore } from './lmdb/verify.ts';
export type { LmdbReader } from './lmdb/lmdb-reader.ts';
export { openLmdbReader } from './lmdb/lmdb-reader.ts';
export type { Restored } from './lmdb/restore.ts';
export { restoreStore } from './lmdb/restore.ts';
export type { SnapshotOptions, SnapshotPlan } from './snapshots.ts';
export { runSnapshots, snapshotsIn } from './snapshots.ts';
export type { Imported } from './transfer.ts';
export { exportStore, importStore } from './transfer.ts';
export type { EtcdStorageOptions } from './etcd/etcd-storage.ts';
export { openEtcdStorage } from './etcd/etcd-storage.ts';
