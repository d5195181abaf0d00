// Keeps a local copy of a collection true: list, then watch, and list again when the watch can no longer be continued.
// Listeners hear what changed, but a reconciler should only take the key from it and read the store.

import { isExpired } from '@copepod/api/errors';
import { objectKey } from '@copepod/api/meta';
import type { Clock } from '../clock/index.ts';
import { type ApiObject, isTransportError, type ResourceClient } from '../rest/index.ts';
import { IndexedStore, type Indexers, type Store } from './store.ts';

export interface Change<T> {
  readonly type: 'added' | 'modified' | 'deleted';
  readonly key: string;
  /** Its last known state when deleted. */
  readonly object: T;
  readonly previous: T | undefined;
}

export interface InformerOptions<T extends ApiObject> {
  readonly client: ResourceClient<T>;
  readonly clock: Clock;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly indexers?: Indexers<T>;
  /** Told of each failure before the next attempt; the informer goes on by itself. */
  readonly onError?: (error: unknown) => void;
}

export interface Informer<T> {
  readonly store: Store<T>;
  /** Resolves when the first list is in the store. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /** Listeners are called in order, synchronously; each hears every object that is there already as `added`. */
  onChange(listener: (change: Change<T>) => void): void;
  /** Returns when the signal aborts. Call once. */
  run(signal: AbortSignal): Promise<void>;
}

const FIRST_DELAY_MS = 200;
const LAST_DELAY_MS = 10_000;

export function createInformer<T extends ApiObject>(options: InformerOptions<T>): Informer<T> {
  const store = new IndexedStore<T>(options.indexers ?? {});
  const listeners: ((change: Change<T>) => void)[] = [];
  const synced = Promise.withResolvers<void>();
  let hasSynced = false;
  const scope = { namespace: options.namespace, labelSelector: options.labelSelector, fieldSelector: options.fieldSelector };

  const tell = (change: Change<T>): void => {
    for (const listener of listeners) listener(change);
  };
  const put = (object: T): void => {
    const previous = store.set(object);
    if (previous !== undefined && previous.metadata.resourceVersion === object.metadata.resourceVersion) return;
    tell({ type: previous === undefined ? 'added' : 'modified', key: objectKey(object), object, previous });
  };
  const remove = (key: string, last?: T): void => {
    const previous = store.delete(key);
    if (previous !== undefined) tell({ type: 'deleted', key, object: last ?? previous, previous });
  };

  async function relist(signal: AbortSignal): Promise<string> {
    const list = await options.client.list({ ...scope, signal });
    const present = new Set(list.items.map(objectKey));
    for (const key of [...store.keys()].filter((known) => !present.has(known))) remove(key);
    for (const object of list.items) put(object);
    hasSynced = true;
    synced.resolve();
    return list.metadata.resourceVersion ?? '';
  }

  async function follow(resourceVersion: string, signal: AbortSignal): Promise<string> {
    let version = resourceVersion;
    for await (const event of options.client.watch({ ...scope, resourceVersion: version, signal })) {
      version = event.object.metadata.resourceVersion ?? version;
      if (event.type === 'DELETED') remove(objectKey(event.object), event.object);
      else if (event.type !== 'BOOKMARK') put(event.object);
    }
    return version;
  }

  return {
    store,
    synced: synced.promise,
    get hasSynced() {
      return hasSynced;
    },
    onChange(listener) {
      listeners.push(listener);
      for (const object of store.list()) listener({ type: 'added', key: objectKey(object), object, previous: undefined });
    },
    async run(signal) {
      let version: string | undefined;
      let delay = FIRST_DELAY_MS;
      while (!signal.aborted) {
        const started = options.clock.monotonic();
        try {
          version ??= await relist(signal);
          version = await follow(version, signal);
          delay = FIRST_DELAY_MS;
          // A server that ends watches at once must not be asked in a tight loop.
          if (options.clock.monotonic() - started > 1000) continue;
        } catch (error) {
          if (signal.aborted) return;
          // What went well for a while begins anew with short pauses: breaks far apart are none the server is spared by long ones.
          if (options.clock.monotonic() - started > 1000) delay = FIRST_DELAY_MS;
          // Anything but a broken connection puts in doubt what the store holds.
          if (!isTransportError(error)) version = undefined;
          if (!isExpired(error)) options.onError?.(error);
        }
        await options.clock.sleep(delay * (0.5 + options.clock.random()), signal).catch(() => {});
        delay = Math.min(delay * 2, LAST_DELAY_MS);
      }
    },
  };
}
