// What every Storage must do. Run by each implementation and decorator: `storageSuite('lmdb', open)`.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isStorageError, type StorageErrorCode } from './errors.ts';
import { MAX_KEY_BYTES, MAX_MUTATIONS, type Mutation, type Storage, type StorageEvent, type StoredValue, type WatchBatch, type WatchOptions } from './storage.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
const is = (code: StorageErrorCode, key?: string) => (error: unknown): boolean => isStorageError(error, code) && (key === undefined || error.key === key);
const brief = (items: readonly StoredValue[]): readonly (readonly [string, string])[] => items.map((item) => [item.key, text(item.value)]);

async function put(storage: Storage, key: string, value: string, expect = 0): Promise<number> {
  return storage.commit([{ type: 'put', key, value: bytes(value), expect }]);
}

/** At least `count` events. */
async function take(batches: AsyncIterable<WatchBatch>, count: number): Promise<readonly StorageEvent[]> {
  const taken: StorageEvent[] = [];
  for await (const batch of batches) {
    taken.push(...batch.events);
    if (taken.length >= count) break;
  }
  return taken;
}

/** The values of `/k` one after the other; the revision of each. */
async function series(storage: Storage, count: number, key = '/k'): Promise<readonly number[]> {
  const revisions: number[] = [];
  for (let round = 0; round < count; round += 1) revisions.push(await put(storage, key, String(round), revisions.at(-1) ?? 0));
  return revisions;
}

/** `open` makes an empty store and closes it when the test ends. */
export function storageSuite(name: string, open: (t: TestContext) => Storage | Promise<Storage>): void {
  const watch = (t: TestContext, storage: Storage, options: Omit<WatchOptions, 'signal'>): AsyncIterable<WatchBatch> => storage.watch({ ...options, signal: t.signal });

  test(`${name}: what was put is read back with the revisions it was made and changed at`, async (t) => {
    const storage = await open(t);
    const first = await put(storage, '/a', 'one');
    const second = await put(storage, '/a', 'two', first);
    assert.equal(second, first + 1);
    const found = await storage.get('/a');
    assert.deepEqual([found?.key, text(found?.value), found?.createRevision, found?.modRevision, found?.lease], ['/a', 'two', first, second, undefined]);
    assert.equal(await storage.get('/b'), undefined);
    assert.equal(await storage.revision(), second);
  });

  test(`${name}: a key made anew after its deletion has a new create revision`, async (t) => {
    const storage = await open(t);
    const first = await put(storage, '/a', 'one');
    await storage.commit([{ type: 'delete', key: '/a', expect: first }]);
    assert.equal(await storage.get('/a'), undefined);
    const again = await put(storage, '/a', 'two');
    assert.deepEqual([(await storage.get('/a'))?.createRevision, again], [again, first + 2]);
  });

  test(`${name}: a write that expects another revision is refused whole`, async (t) => {
    const storage = await open(t);
    const first = await put(storage, '/a', 'one');
    await assert.rejects(put(storage, '/a', 'again'), is('Conflict', '/a'));
    await assert.rejects(put(storage, '/a', 'stale', first + 5), is('Conflict'));
    await assert.rejects(storage.commit([{ type: 'delete', key: '/none', expect: first }]), is('Conflict'));
    await assert.rejects(storage.commit([{ type: 'put', key: '/b', value: bytes('b'), expect: 0 }, { type: 'put', key: '/a', value: bytes('x'), expect: 0 }]), is('Conflict', '/a'));
    assert.equal(await storage.get('/b'), undefined);
    assert.equal(text((await storage.get('/a'))?.value), 'one');
    assert.equal(await storage.revision(), first);
  });

  test(`${name}: several keys change at one revision, fenced by a check of another`, async (t) => {
    const storage = await open(t);
    const fence = await put(storage, '/leader', 'me');
    const old = await put(storage, '/old', 'o');
    const write = (expect: number): Promise<number> => storage.commit([
      { type: 'check', key: '/leader', expect }, { type: 'put', key: '/a', value: bytes('a'), expect: 0 }, { type: 'put', key: '/b', value: bytes('b'), expect: 0 }, { type: 'delete', key: '/old', expect: old },
    ]);
    const watching = take(watch(t, storage, { prefix: '/', after: old }), 3);
    const revision = await write(fence);
    assert.deepEqual((await storage.list({ prefix: '/' })).items.map((item) => [item.key, item.modRevision]), [['/a', revision], ['/b', revision], ['/leader', fence]]);
    assert.deepEqual((await watching).map((event) => [event.type, event.key, event.revision]), [['put', '/a', revision], ['put', '/b', revision], ['delete', '/old', revision]]);
    await put(storage, '/leader', 'somebody else', fence);
    await assert.rejects(storage.commit([{ type: 'check', key: '/leader', expect: fence }, { type: 'put', key: '/late', value: bytes('l'), expect: 0 }]), is('Conflict', '/leader'));
    assert.equal(await storage.get('/late'), undefined);
  });

  test(`${name}: mutations that make no sense are refused`, async (t) => {
    const storage = await open(t);
    const value = bytes('v');
    const refused: readonly (readonly Mutation[])[] = [
      [], [{ type: 'check', key: '/a', expect: 0 }], [{ type: 'put', key: '', value, expect: 0 }], [{ type: 'put', key: '/a\0', value, expect: 0 }], [{ type: 'put', key: `/${'a'.repeat(MAX_KEY_BYTES)}`, value, expect: 0 }],
      [{ type: 'put', key: '/a', value, expect: -1 }], [{ type: 'delete', key: '/a', expect: 0 }], [{ type: 'put', key: '/a', value, expect: 0 }, { type: 'check', key: '/a', expect: 0 }],
      Array.from({ length: MAX_MUTATIONS + 1 }, (_, index) => ({ type: 'put', key: `/${index}`, value, expect: 0 })),
    ];
    for (const mutations of refused) await assert.rejects(storage.commit(mutations), is('Invalid'), JSON.stringify(mutations).slice(0, 100));
    await assert.rejects(storage.list({ prefix: '/', limit: 0 }), is('Invalid'));
    const most = await storage.commit(Array.from({ length: MAX_MUTATIONS }, (_, index) => ({ type: 'put', key: `/${index}`, value, expect: 0 })));
    assert.equal((await storage.list({ prefix: '/' })).items.filter((item) => item.modRevision === most).length, MAX_MUTATIONS);
  });

  test(`${name}: of many writers of one key exactly one wins each round`, async (t) => {
    const storage = await open(t);
    let revision = 0;
    for (let round = 0; round < 5; round += 1) {
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, writer) => put(storage, '/k', `${round}.${writer}`, revision)));
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      assert.equal(won.length, 1);
      revision = won[0]?.value ?? 0;
    }
  });

  test(`${name}: what a writer was told is seen by every read begun after it`, async (t) => {
    const storage = await open(t);
    await Promise.all(Array.from({ length: 20 }, async (_, writer) => {
      let revision = 0;
      for (let round = 0; round < 10; round += 1) {
        revision = await put(storage, `/w${writer}`, String(round), revision);
        assert.equal((await storage.get(`/w${writer}`))?.modRevision, revision);
        const listed = await storage.list({ prefix: `/w${writer}` });
        assert.ok(listed.revision >= revision && listed.items.some((item) => item.modRevision === revision));
      }
    }));
  });

  test(`${name}: lists are ordered, paged, and bound to their prefix`, async (t) => {
    const storage = await open(t);
    await Promise.all(['/p/c', '/p/a', '/pq', '/p/b', '/o'].map((key) => put(storage, key, key)));
    const all = await storage.list({ prefix: '/p/' });
    assert.deepEqual(all.items.map((item) => item.key), ['/p/a', '/p/b', '/p/c']);
    assert.equal(all.revision, await storage.revision());
    const page = await storage.list({ prefix: '/p/', limit: 2 });
    assert.deepEqual([page.items.map((item) => item.key), page.more], [['/p/a', '/p/b'], true]);
    const rest = await storage.list({ prefix: '/p/', after: '/p/b', limit: 2 });
    assert.deepEqual([rest.items.map((item) => item.key), rest.more], [['/p/c'], false]);
    assert.equal((await storage.list({ prefix: '/p/', limit: 3 })).more, false);
  });

  test(`${name}: reads at a revision show what was there right after it`, async (t) => {
    const storage = await open(t);
    const revisions = await series(storage, 40);
    const gone = await storage.commit([{ type: 'delete', key: '/k', expect: revisions.at(-1) ?? 0 }]);
    const again = await put(storage, '/k', 'again');
    const other = await put(storage, '/z', 'z');
    for (const [index, revision] of revisions.entries()) {
      const found = await storage.get('/k', { revision });
      assert.deepEqual([text(found?.value), found?.modRevision, found?.createRevision], [String(index), revision, revisions[0]]);
      assert.deepEqual(brief((await storage.list({ prefix: '/', revision })).items), [['/k', String(index)]]);
    }
    assert.equal(await storage.get('/k', { revision: gone }), undefined);
    assert.deepEqual((await storage.list({ prefix: '/', revision: gone })).items, []);
    assert.deepEqual([text((await storage.get('/k', { revision: again }))?.value), await storage.get('/z', { revision: again })], ['again', undefined]);
    assert.deepEqual(brief((await storage.list({ prefix: '/', revision: other })).items), [['/k', 'again'], ['/z', 'z']]);
    await assert.rejects(storage.get('/k', { revision: other + 1 }), is('Future'));
    await assert.rejects(storage.list({ prefix: '/', revision: other + 1 }), is('Future'));
  });

  test(`${name}: pages of one revision are whole whatever is written, made and deleted between them`, async (t) => {
    const storage = await open(t);
    const keys = Array.from({ length: 30 }, (_, index) => `/p/${String(index).padStart(2, '0')}`);
    for (const key of keys) await put(storage, key, key);
    const { revision } = await storage.list({ prefix: '/p/', limit: 1 });
    const seen: string[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page = await storage.list({ prefix: '/p/', after, limit: 4, revision });
      assert.equal(page.revision, revision);
      for (const item of page.items) {
        assert.equal(text(item.value), item.key);
        seen.push(item.key);
        await storage.commit([{ type: 'delete', key: item.key, expect: (await storage.get(item.key))?.modRevision ?? 0 }]);
        await put(storage, `${item.key}+`, 'new');
      }
      const ahead = keys[seen.length + 2];
      const there = ahead === undefined ? undefined : await storage.get(ahead);
      if (there !== undefined) await put(storage, there.key, 'changed', there.modRevision);
      after = page.items.at(-1)?.key;
      more = page.more;
    }
    assert.deepEqual(seen, keys);
  });

  test(`${name}: a watch tells every later change once, in order, with what was there before`, async (t) => {
    const storage = await open(t);
    const first = await put(storage, '/w/a', '1');
    const watching = take(watch(t, storage, { prefix: '/w/', after: first }), 3);
    await put(storage, '/w/a', '2', first);
    await put(storage, '/other', 'x');
    await put(storage, '/w/b', '1');
    await put(storage, '/w/c', '1');
    const events = await watching;
    assert.deepEqual(events.map((event) => [event.key, event.revision, text(event.previous?.value)]), [['/w/a', first + 1, '1'], ['/w/b', first + 3, ''], ['/w/c', first + 4, '']]);
  });

  test(`${name}: a watch begun later tells what happened meanwhile, and deletions with the last value`, async (t) => {
    const storage = await open(t);
    const first = await put(storage, '/w/a', '1');
    const second = await put(storage, '/w/a', '2', first);
    await storage.commit([{ type: 'delete', key: '/w/a', expect: second }]);
    const events = await take(watch(t, storage, { prefix: '/w/', after: first }), 2);
    assert.deepEqual(events.map((event) => [event.type, event.revision, text(event.previous?.value), event.previous?.modRevision, event.previous?.createRevision]), [['put', second, '1', first, first], ['delete', second + 1, '2', second, first]]);
  });

  test(`${name}: a watch from a revision not yet reached begins there`, async (t) => {
    const storage = await open(t);
    const first = await put(storage, '/a', '0');
    const watching = take(watch(t, storage, { prefix: '/', after: first + 2 }), 1);
    const revisions = await series(storage, 4);
    assert.deepEqual((await watching)[0]?.revision, revisions[2]);
  });

  test(`${name}: a watch that asks for progress hears that the store moved on`, async (t) => {
    const storage = await open(t);
    const start = await put(storage, '/a', '0');
    const batches = watch(t, storage, { prefix: '/none/', after: start, progress: true })[Symbol.asyncIterator]();
    const last = (await series(storage, 3)).at(-1) ?? 0;
    let reached = 0;
    while (reached < last) {
      const { value, done } = await batches.next();
      assert.ok(done !== true && value.events.length === 0 && value.revision > reached);
      reached = value.revision;
    }
    assert.equal(reached, last);
  });

  test(`${name}: a watcher that takes nothing misses nothing when it goes on`, async (t) => {
    const storage = await open(t);
    const start = await put(storage, '/a', '0');
    const batches = watch(t, storage, { prefix: '/k', after: start })[Symbol.asyncIterator]();
    const first = batches.next();
    const revisions = await series(storage, 300);
    const seen = ((await first).value as WatchBatch).events.map((event) => event.revision);
    while (seen.length < revisions.length) seen.push(...((await batches.next()).value as WatchBatch).events.map((event) => event.revision));
    assert.deepEqual(seen, revisions);
  });

  test(`${name}: below what was compacted nothing is read or watched, from it on everything is`, async (t) => {
    const storage = await open(t);
    const revisions = await series(storage, 20);
    const kept = await put(storage, '/kept', 'kept');
    const gone = await put(storage, '/gone', 'gone');
    const deleted = await storage.commit([{ type: 'delete', key: '/gone', expect: gone }]);
    const last = (await series(storage, 10, '/later')).at(-1) ?? 0;
    await storage.compact(deleted);
    assert.equal((await storage.status()).compacted, deleted);
    for (const revision of [revisions[0] ?? 0, kept, deleted - 1]) {
      await assert.rejects(storage.get('/k', { revision }), is('Compacted'));
      await assert.rejects(storage.list({ prefix: '/', revision }), is('Compacted'));
      await assert.rejects(take(watch(t, storage, { prefix: '/', after: revision }), 1), is('Compacted'));
    }
    assert.deepEqual(brief((await storage.list({ prefix: '/', revision: deleted })).items), [['/k', '19'], ['/kept', 'kept']]);
    assert.equal(text((await storage.get('/k', { revision: deleted }))?.value), '19');
    assert.equal(await storage.get('/gone', { revision: deleted }), undefined);
    const events = await take(watch(t, storage, { prefix: '/', after: deleted }), 10);
    assert.deepEqual(events.map((event) => event.revision), Array.from({ length: 10 }, (_, index) => deleted + 1 + index));
    await storage.compact(deleted);
    await storage.compact(kept);
    assert.equal((await storage.status()).compacted, deleted);
    await assert.rejects(storage.compact(last + 1), is('Future'));
  });

  test(`${name}: an event just above what was compacted still tells what was there before`, async (t) => {
    const storage = await open(t);
    const revisions = await series(storage, 5);
    const at = revisions[3] ?? 0;
    const deleted = await storage.commit([{ type: 'delete', key: '/k', expect: revisions[4] ?? 0 }]);
    await storage.compact(at);
    const events = await take(watch(t, storage, { prefix: '/k', after: at }), 2);
    assert.deepEqual(events.map((event) => [event.type, event.revision, text(event.previous?.value)]), [['put', at + 1, '3'], ['delete', deleted, '4']]);
  });

  test(`${name}: all may be compacted, and writing goes on from there`, async (t) => {
    const storage = await open(t);
    const revisions = await series(storage, 5);
    const gone = await storage.commit([{ type: 'delete', key: '/k', expect: revisions.at(-1) ?? 0 }]);
    await storage.compact(gone);
    assert.equal(await storage.revision(), gone);
    assert.deepEqual((await storage.list({ prefix: '/' })).items, []);
    const watching = take(watch(t, storage, { prefix: '/', after: gone }), 1);
    assert.equal(await put(storage, '/k', 'new'), gone + 1);
    assert.deepEqual((await watching).map((event) => [event.revision, event.previous]), [[gone + 1, undefined]]);
  });

  test(`${name}: a reader that was overtaken by a compaction is told so, one that kept up is not`, async (t) => {
    const storage = await open(t);
    const start = await put(storage, '/a', '0');
    const slow = watch(t, storage, { prefix: '/k', after: start })[Symbol.asyncIterator]();
    const idle = take(watch(t, storage, { prefix: '/never', after: start }), 1);
    const first = slow.next();
    const last = (await series(storage, 50)).at(-1) ?? 0;
    await first;
    await storage.compact(last);
    await assert.rejects(async () => { while ((await slow.next()).done !== true); }, is('Compacted'));
    await put(storage, '/never', 'after all');
    assert.deepEqual((await idle).map((event) => event.key), ['/never']);
  });

  test(`${name}: the keys of a lease go when it is revoked, and watchers are told`, async (t) => {
    const storage = await open(t);
    const lease = await storage.grant(60);
    await storage.commit([{ type: 'put', key: '/l/a', value: bytes('a'), expect: 0, lease }, { type: 'put', key: '/l/b', value: bytes('b'), expect: 0, lease }]);
    const kept = await storage.commit([{ type: 'put', key: '/l/kept', value: bytes('k'), expect: 0, lease }]);
    const start = await put(storage, '/l/kept', 'out of it', kept);
    assert.equal((await storage.get('/l/a'))?.lease, lease);
    assert.equal((await storage.get('/l/kept'))?.lease, undefined);
    const watching = take(watch(t, storage, { prefix: '/l/', after: start }), 2);
    assert.ok(await storage.keepAlive(lease) >= 60);
    await storage.revoke(lease);
    assert.deepEqual((await storage.list({ prefix: '/l/' })).items.map((item) => item.key), ['/l/kept']);
    const events = await watching;
    assert.deepEqual(events.map((event) => `${event.type} ${event.key}`).toSorted(), ['delete /l/a', 'delete /l/b']);
    await assert.rejects(storage.keepAlive(lease), is('NoLease'));
    await assert.rejects(storage.revoke(lease), is('NoLease'));
    await assert.rejects(storage.commit([{ type: 'put', key: '/l/c', value: bytes('c'), expect: 0, lease }]), is('NoLease'));
  });

  test(`${name}: the keys of a lease nobody keeps alive go by themselves`, async (t) => {
    const storage = await open(t);
    await assert.rejects(storage.grant(0), is('Invalid'));
    const lease = await storage.grant(1);
    const revision = await storage.commit([{ type: 'put', key: '/l', value: bytes('short'), expect: 0, lease }]);
    const [event] = await take(watch(t, storage, { prefix: '/l', after: revision }), 1);
    assert.deepEqual([event?.type, event?.key, text(event?.previous?.value)], ['delete', '/l', 'short']);
    assert.equal(await storage.get('/l'), undefined);
    await assert.rejects(storage.keepAlive(lease), is('NoLease'));
  });

  test(`${name}: a watch ends with its signal, and with the store`, async (t) => {
    const storage = await open(t);
    const controller = new AbortController();
    const aborted = take(storage.watch({ prefix: '/', after: 0, signal: controller.signal }), 1);
    const open_ = take(watch(t, storage, { prefix: '/', after: 0 }), 1);
    controller.abort();
    assert.deepEqual(await aborted, []);
    await storage.close();
    assert.deepEqual(await open_, []);
    await assert.rejects(storage.get('/a'), is('Closed'));
    await assert.rejects(put(storage, '/a', 'late'), is('Closed'));
    await assert.rejects(take(watch(t, storage, { prefix: '/', after: 0 }), 1), is('Closed'));
    await storage.close();
  });

  test(`${name}: revisions told to watchers rise without a gap under many writers`, async (t) => {
    const storage = await open(t);
    const start = await put(storage, '/start', 's');
    const watching = take(watch(t, storage, { prefix: '/', after: start }), 100);
    await Promise.all(Array.from({ length: 100 }, (_, index) => put(storage, `/k${index}`, 'v')));
    assert.deepEqual((await watching).map((event) => event.revision), Array.from({ length: 100 }, (_, index) => start + 1 + index));
  });

  test(`${name}: watchers begun at any moment under load hear the same history`, async (t) => {
    const storage = await open(t);
    const start = await put(storage, '/start', 's');
    const writers = Array.from({ length: 10 }, async (_, writer) => series(storage, 30, `/k${writer}`));
    const histories: Promise<readonly StorageEvent[]>[] = [];
    for (let index = 0; index < 8; index += 1) {
      histories.push(take(watch(t, storage, { prefix: '/k', after: start }), 300));
      await put(storage, `/step${index}`, 's');
    }
    await Promise.all(writers);
    const heard = (await Promise.all(histories)).map((events) => events.map((event) => [event.key, event.revision, text(event.previous?.value)]));
    for (const history of heard) assert.deepEqual(history, heard[0]);
  });
}
