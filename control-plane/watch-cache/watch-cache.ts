// The watch cache: every object of the store in memory, kept true by one watch of the store. Reads and watches are served from here;
// only writes go to the store. A reader who has seen a revision waits until the cache has seen it too.

import { isStorageError, type Storage, type StorageEvent } from '../storage/index.ts';
import { atRevision, type CachedObject, decodeStored } from './cached-object.ts';

export interface CacheEvent {
  readonly revision: number;
  /** The object as it now is; of a deletion, as it last was, at the revision of the deletion. */
  readonly entry: CachedObject;
  readonly deleted: boolean;
  readonly previous: CachedObject | undefined;
}

export interface WatchCache {
  get(key: string): CachedObject | undefined;
  /** Under a collection's prefix (`/registry/…/`), in the order of keys. */
  list(prefix: string): readonly CachedObject[];
  /** The newest revision the cache has seen. */
  readonly revision: number;
  /** Resolves when the cache has seen `revision`. */
  waitFor(revision: number): Promise<void>;
  /** Changes under `prefix` later than `after`, in order, none missed. StorageError Compacted when `after` is too old. */
  watch(prefix: string, after: number, signal: AbortSignal): AsyncIterable<readonly CacheEvent[]>;
  close(): void;
}

const ROOT = '/registry/';
const PAGE = 2000;

/** Reads the whole store once. */
export async function createWatchCache(storage: Storage, onBroken: (error: unknown) => void): Promise<WatchCache> {
  let collections = new Map<string, Collection>();
  const stop = new AbortController();
  const waiters: { readonly revision: number; readonly resolve: () => void }[] = [];
  let revision = await load(storage, collections);

  function take(event: StorageEvent): void {
    const collection = collectionOf(collections, event.key);
    if (event.type === 'put') collection.put(decodeStored(event.key, event.value, event.revision));
    else collection.delete(event.key);
  }

  function reach(reached: number): void {
    revision = reached;
    for (let index = waiters.length - 1; index >= 0; index -= 1) {
      const waiter = waiters[index];
      if (waiter !== undefined && waiter.revision <= revision) {
        waiters.splice(index, 1);
        waiter.resolve();
      }
    }
  }

  /** A cache that was away for longer than the store remembers reads it anew, as any client would. */
  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        for await (const batch of storage.watch({ prefix: ROOT, after: revision, signal: stop.signal, progress: true })) {
          for (const event of batch.events) take(event);
          reach(batch.revision);
        }
        return;
      } catch (error) {
        if (!isStorageError(error, 'Compacted')) throw error;
        await readAnew();
      }
    }
  }

  async function readAnew(): Promise<void> {
    try {
      const fresh = new Map<string, Collection>();
      const reached = await load(storage, fresh);
      collections = fresh;
      reach(reached);
    } catch (error) {
      if (!isStorageError(error, 'Unavailable') && !isStorageError(error, 'Compacted')) throw error;
    }
  }

  follow().catch((error: unknown) => {
    if (!isStorageError(error, 'Closed')) onBroken(error);
  });

  return {
    get: (key) => collectionOf(collections, key).get(key),
    list: (prefix) => collectionOf(collections, prefix).list(prefix),
    get revision() {
      return revision;
    },
    waitFor: (wanted) => (wanted <= revision ? Promise.resolve() : new Promise((resolve) => {
      waiters.push({ revision: wanted, resolve });
    })),
    async *watch(prefix, after, signal) {
      for await (const { events } of storage.watch({ prefix, after, signal })) yield events.map((event) => toCacheEvent(event, collections));
    },
    close: () => stop.abort(),
  };
}

/** In pages of one revision, so that a large store lets others run meanwhile. */
async function load(storage: Storage, collections: Map<string, Collection>): Promise<number> {
  for (let after: string | undefined, revision: number | undefined; ;) {
    const page = await storage.list({ prefix: ROOT, after, limit: PAGE, revision });
    for (const item of page.items) collectionOf(collections, item.key).put(decodeStored(item.key, item.value, item.modRevision));
    if (!page.more) return page.revision;
    revision = page.revision;
    after = page.items.at(-1)?.key;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function toCacheEvent(event: StorageEvent, collections: Map<string, Collection>): CacheEvent {
  const known = collectionOf(collections, event.key);
  const decode = (value: Uint8Array, revision: number): CachedObject => known.at(event.key, revision) ?? decodeStored(event.key, value, revision);
  const previous = event.previous === undefined ? undefined : decode(event.previous.value, event.previous.modRevision);
  if (event.type === 'put') return { revision: event.revision, entry: decode(event.value, event.revision), deleted: false, previous };
  const last = previous ?? decodeStored(event.key, event.previous.value, event.previous.modRevision);
  return { revision: event.revision, entry: atRevision(last, event.revision), deleted: true, previous };
}

/** `/registry/apps/deployments/default/web` is of the collection `/registry/apps/deployments/`. */
function collectionOf(collections: Map<string, Collection>, key: string): Collection {
  const name = key.split('/', 4).join('/');
  let collection = collections.get(name);
  if (collection === undefined) {
    collection = new Collection();
    collections.set(name, collection);
  }
  return collection;
}

/** How many revisions of recently changed objects stay decoded for watchers that come to them a moment later. */
const RECENT = 512;

class Collection {
  readonly #entries = new Map<string, CachedObject>();
  readonly #recent = new Map<number, CachedObject>();
  /** Keys in order; dropped when a key comes or goes. */
  #order: readonly string[] | undefined;

  get(key: string): CachedObject | undefined {
    return this.#entries.get(key);
  }

  /** The decoded object at exactly this revision, when it is still at hand. */
  at(key: string, revision: number): CachedObject | undefined {
    const current = this.#entries.get(key);
    if (current?.revision === revision) return current;
    const recent = this.#recent.get(revision);
    return recent?.key === key ? recent : undefined;
  }

  put(entry: CachedObject): void {
    const previous = this.#entries.get(entry.key);
    if (previous === undefined) this.#order = undefined;
    else this.#remember(previous);
    this.#entries.set(entry.key, entry);
  }

  delete(key: string): void {
    const previous = this.#entries.get(key);
    if (previous === undefined) return;
    this.#remember(previous);
    this.#entries.delete(key);
    this.#order = undefined;
  }

  list(prefix: string): readonly CachedObject[] {
    this.#order ??= [...this.#entries.keys()].sort();
    const keys = this.#order;
    const found: CachedObject[] = [];
    for (const key of keys) {
      const entry = key.startsWith(prefix) ? this.#entries.get(key) : undefined;
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  #remember(entry: CachedObject): void {
    this.#recent.set(entry.revision, entry);
    if (this.#recent.size > RECENT) {
      for (const revision of this.#recent.keys()) {
        this.#recent.delete(revision);
        break;
      }
    }
  }
}
