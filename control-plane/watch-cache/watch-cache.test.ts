// The watch cache against the suite of every store: a Storage whose current reads and whose watches come through the cache, with the
// suite's bytes inside objects. What the cache leaves to the store goes to the store.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '@copepod/api/meta';
import { createMemoryStorage, type Storage, type StorageEvent, StorageError, type StoredValue } from '../storage/index.ts';
import { storageSuite } from '../storage/suite.ts';
import { type CachedObject, createWatchCache, encodeForStorage } from './index.ts';

/** Two parts more than the suite's keys have, so that each first part is a collection. */
const ROOT = '/registry/suite';
const outside = (key: string): string => key.slice(ROOT.length);

function wrap(value: Uint8Array): Uint8Array {
  return encodeForStorage({ apiVersion: 'v1', kind: 'Suite', metadata: { name: 'suite' }, data: Buffer.from(value).toString('base64') });
}

const bytesOf = (object: KubeObject): Uint8Array => new Uint8Array(Buffer.from(String(object['data']), 'base64'));
const unwrap = (value: Uint8Array): Uint8Array => bytesOf(JSON.parse(Buffer.from(value).toString()) as KubeObject);

function unwrapped(stored: StoredValue): StoredValue {
  return { ...stored, key: outside(stored.key), value: unwrap(stored.value) };
}

async function throughCache(inner: Storage): Promise<Storage> {
  const cache = await createWatchCache(inner, (error) => assert.fail(String(error)));
  const caughtUp = async (): Promise<void> => cache.waitFor(await inner.revision());
  /** The cache knows everything of an object but what the store alone needs. */
  const check = (entry: CachedObject | undefined, stored: StoredValue | undefined): void => {
    assert.deepEqual(entry === undefined ? undefined : [entry.key, entry.revision, bytesOf(entry.object), entry.object.metadata.resourceVersion], stored === undefined ? undefined : [stored.key, stored.modRevision, unwrap(stored.value), String(stored.modRevision)]);
  };
  return {
    ...inner,
    async get(key, options) {
      const stored = await inner.get(ROOT + key, options);
      if (options?.revision === undefined) {
        await caughtUp();
        if (cache.revision === await inner.revision()) check(cache.get(ROOT + key), await inner.get(ROOT + key));
      }
      return stored === undefined ? undefined : unwrapped(stored);
    },
    async list({ prefix, after, ...options }) {
      const listed = await inner.list({ prefix: ROOT + prefix, after: after === undefined ? undefined : ROOT + after, ...options });
      return { ...listed, items: listed.items.map(unwrapped) };
    },
    commit: (mutations) => inner.commit(mutations.map((mutation) => {
      if (mutation.key === '') return mutation;
      return mutation.type === 'put' ? { ...mutation, key: ROOT + mutation.key, value: wrap(mutation.value) } : { ...mutation, key: ROOT + mutation.key };
    })).catch((error: unknown) => {
      if (error instanceof StorageError && error.key !== undefined) throw new StorageError(error.code, error.message, { key: outside(error.key), cause: error });
      throw error;
    }),
    async *watch({ prefix, after, signal, progress = false }) {
      if (progress) {
        yield* inner.watch({ prefix: ROOT + prefix, after, signal, progress });
        return;
      }
      for await (const events of cache.watch(ROOT + prefix, after, signal)) {
        const told: StorageEvent[] = [];
        for (const { revision, entry, deleted, previous } of events) {
          // An object does not know when it was made; the store does.
          const stored = previous === undefined ? undefined : await inner.get(previous.key, { revision: previous.revision }).catch(() => undefined);
          const before = previous === undefined ? undefined : { key: outside(previous.key), value: bytesOf(previous.object), createRevision: stored?.createRevision ?? 0, modRevision: previous.revision, lease: undefined };
          if (!deleted) told.push({ type: 'put', key: outside(entry.key), value: bytesOf(entry.object), revision, lease: undefined, previous: before });
          else told.push({ type: 'delete', key: outside(entry.key), revision, previous: before ?? assert.fail(`${entry.key} was deleted out of nothing`) });
        }
        yield { events: told, revision: told.at(-1)?.revision ?? after };
      }
    },
    async close() {
      cache.close();
      await inner.close();
    },
  };
}

storageSuite('watch cache', async (t) => {
  const storage = await throughCache(createMemoryStorage());
  t.after(() => storage.close());
  return storage;
});

test('a cache is at the store\'s newest revision though what changed was none of its objects', async (t) => {
  const storage = createMemoryStorage();
  const cache = await createWatchCache(storage, (error) => assert.fail(String(error)));
  t.after(async () => {
    cache.close();
    await storage.close();
  });
  const revision = await storage.commit([{ type: 'put', key: '/elsewhere', value: new Uint8Array(), expect: 0 }]);
  await cache.waitFor(revision);
  assert.equal(cache.revision, revision);
});

test('a cache that was away for longer than the store remembers reads it anew', async (t) => {
  const inner = createMemoryStorage();
  const object = (name: string): Uint8Array => encodeForStorage({ apiVersion: 'v1', kind: 'Suite', metadata: { name } });
  const gone = await inner.commit([{ type: 'put', key: '/registry/suite/a/gone', value: object('gone'), expect: 0 }]);
  const away = Promise.withResolvers<void>();
  const storage: Storage = {
    ...inner,
    async *watch(options) {
      // Its first watch is cut off until the store has forgotten where it stood.
      await away.promise;
      yield* inner.watch(options);
    },
  };
  const cache = await createWatchCache(storage, (error) => assert.fail(String(error)));
  t.after(async () => {
    cache.close();
    await inner.close();
  });
  await inner.commit([{ type: 'delete', key: '/registry/suite/a/gone', expect: gone }]);
  const made = await inner.commit([{ type: 'put', key: '/registry/suite/a/made', value: object('made'), expect: 0 }]);
  await inner.compact(made);
  away.resolve();
  await cache.waitFor(made);
  assert.deepEqual(cache.list('/registry/suite/a/').map((entry) => entry.key), ['/registry/suite/a/made']);
  await cache.waitFor(await inner.commit([{ type: 'put', key: '/registry/suite/a/later', value: object('later'), expect: 0 }]));
  assert.equal(cache.list('/registry/suite/a/').length, 2);
});
