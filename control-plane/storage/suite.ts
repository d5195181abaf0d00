// What every Storage must do. Run by each implementation and decorator: `storageSuite('lmdb', open)`.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isStorageError } from './errors.ts';
import type { Storage, StorageEvent } from './storage.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

/** `open` makes an empty store that keeps at least 100 and at most 150 events for watchers. */
export function storageSuite(name: string, open: (t: TestContext) => Storage): void {
  const put = (storage: Storage, key: string, value: string, expect = 0): Promise<number> => storage.commit([{ type: 'put', key, value: bytes(value), expect }]);

  async function take(events: AsyncIterable<readonly StorageEvent[]>, count: number): Promise<readonly StorageEvent[]> {
    const taken: StorageEvent[] = [];
    for await (const batch of events) {
      taken.push(...batch);
      if (taken.length >= count) break;
    }
    return taken;
  }

  test(`${name}: what was put is read back with the revisions it was made and changed at`, async (t) => {
    const storage = open(t);
    const first = await put(storage, '/a', 'one');
    const second = await put(storage, '/a', 'two', first);
    const found = await storage.get('/a');
    assert.equal(text(found?.value), 'two');
    assert.deepEqual([found?.createRevision, found?.modRevision], [first, second]);
    assert.equal(await storage.get('/b'), undefined);
    assert.equal(await storage.revision(), second);
  });

  test(`${name}: a write that expects another revision is refused whole`, async (t) => {
    const storage = open(t);
    const first = await put(storage, '/a', 'one');
    await assert.rejects(put(storage, '/a', 'again'), (error) => isStorageError(error, 'Conflict') && error.key === '/a');
    await assert.rejects(put(storage, '/a', 'stale', first + 5), (error) => isStorageError(error, 'Conflict'));
    await assert.rejects(storage.commit([{ type: 'delete', key: '/none', expect: 0 }]), (error) => isStorageError(error, 'Conflict'));
    const both = storage.commit([{ type: 'put', key: '/b', value: bytes('b'), expect: 0 }, { type: 'put', key: '/a', value: bytes('x'), expect: 0 }]);
    await assert.rejects(both, (error) => isStorageError(error, 'Conflict') && error.key === '/a');
    assert.equal(await storage.get('/b'), undefined);
    assert.equal(text((await storage.get('/a'))?.value), 'one');
    assert.equal(await storage.revision(), first);
  });

  test(`${name}: of many writers of one key exactly one wins each round`, async (t) => {
    const storage = open(t);
    let revision = 0;
    for (let round = 0; round < 5; round += 1) {
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, writer) => put(storage, '/k', `${round}.${writer}`, revision)));
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      assert.equal(won.length, 1);
      revision = won[0]?.value ?? 0;
    }
  });

  test(`${name}: lists are ordered, paged, and bound to their prefix`, async (t) => {
    const storage = open(t);
    await Promise.all(['/p/c', '/p/a', '/pq', '/p/b', '/o'].map((key) => put(storage, key, key)));
    const all = await storage.list({ prefix: '/p/' });
    assert.deepEqual(all.items.map((item) => item.key), ['/p/a', '/p/b', '/p/c']);
    assert.equal(all.revision, 5);
    const page = await storage.list({ prefix: '/p/', limit: 2 });
    assert.deepEqual([page.items.map((item) => item.key), page.more], [['/p/a', '/p/b'], true]);
    const rest = await storage.list({ prefix: '/p/', after: '/p/b', limit: 2 });
    assert.deepEqual([rest.items.map((item) => item.key), rest.more], [['/p/c'], false]);
  });

  test(`${name}: a watch tells every later change once, in order, with what was there before`, async (t) => {
    const storage = open(t);
    const first = await put(storage, '/w/a', '1');
    const watching = take(storage.watch('/w/', first, t.signal), 3);
    await put(storage, '/w/a', '2', first);
    await put(storage, '/other', 'x');
    await Promise.all([put(storage, '/w/b', '1'), put(storage, '/w/c', '1')]);
    const events = await watching;
    assert.deepEqual(events.map((event) => [event.key, event.revision, text(event.previous?.value)]), [['/w/a', 2, '1'], ['/w/b', 4, ''], ['/w/c', 5, '']]);
  });

  test(`${name}: a watch begun later tells what happened meanwhile, and deletions with the last value`, async (t) => {
    const storage = open(t);
    const first = await put(storage, '/w/a', '1');
    const second = await put(storage, '/w/a', '2', first);
    await storage.commit([{ type: 'delete', key: '/w/a', expect: second }]);
    const events = await take(storage.watch('/w/', first, t.signal), 2);
    assert.deepEqual(events.map((event) => [event.type, event.revision, text(event.previous?.value)]), [['put', second, '1'], ['delete', second + 1, '2']]);
  });

  test(`${name}: a watch from before what is kept is refused as compacted`, async (t) => {
    const storage = open(t);
    const first = await put(storage, '/a', '0');
    let revision = first;
    for (let round = 0; round < 200; round += 1) revision = await put(storage, '/a', String(round), revision);
    await assert.rejects(take(storage.watch('/', first, t.signal), 1), (error) => isStorageError(error, 'Compacted'));
    const kept = await take(storage.watch('/', revision - 50, t.signal), 50);
    assert.deepEqual(kept.map((event) => event.revision), Array.from({ length: 50 }, (_, index) => revision - 49 + index));
  });

  test(`${name}: a watcher that takes nothing is sent away before it fills the memory`, async (t) => {
    const storage = open(t);
    const events = storage.watch('/', 0, t.signal)[Symbol.asyncIterator]();
    const first = events.next();
    let revision = 0;
    for (let round = 0; round < 400; round += 1) revision = await put(storage, '/a', String(round), revision);
    assert.equal((await first).done, false);
    await assert.rejects(async () => events.next(), (error) => isStorageError(error, 'Compacted'));
  });

  test(`${name}: a watch ends with its signal, and with the store`, async (t) => {
    const storage = open(t);
    const controller = new AbortController();
    const aborted = take(storage.watch('/', 0, controller.signal), 1);
    const open_ = take(storage.watch('/', 0, t.signal), 1);
    controller.abort();
    assert.deepEqual(await aborted, []);
    await storage.close();
    assert.deepEqual(await open_, []);
    await assert.rejects(storage.get('/a'), (error) => isStorageError(error, 'Closed'));
  });

  test(`${name}: revisions told to watchers rise without a gap under many writers`, async (t) => {
    const storage = open(t);
    const watching = take(storage.watch('/', 0, t.signal), 100);
    await Promise.all(Array.from({ length: 100 }, (_, index) => put(storage, `/k${index}`, 'v')));
    assert.deepEqual((await watching).map((event) => event.revision), Array.from({ length: 100 }, (_, index) => index + 1));
  });
}
