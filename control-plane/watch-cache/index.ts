// Public names of the watch cache.
export type { CachedObject } from './cached-object.ts';
export { cachedObject, decodeStored, encodeForStorage } from './cached-object.ts';
export type { CacheEvent, WatchCache } from './watch-cache.ts';
export { createWatchCache } from './watch-cache.ts';
