// What is the LMDB store's own: what it keeps over a restart, formats, the space it takes, snapshots, damage, and a full disk.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '@copepod/client/clock';
import { open } from 'lmdb';
import { isStorageError } from '../errors.ts';
import type { Storage, StorageEvent, WatchBatch } from '../storage.ts';
import { type LmdbStorage, openLmdbStorage } from './lmdb-storage.ts';
import { restoreStore } from './restore.ts';
import { verifyStore } from './verify.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'copepod-lmdb-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function reopen(t: TestContext, path: string): LmdbStorage {
  const storage = openLmdbStorage({ path });
  t.after(() => storage.close());
  return storage;
}

async function put(storage: Storage, key: string, value: Uint8Array | string, expect = 0): Promise<number> {
  return storage.commit([{ type: 'put', key, value: typeof value === 'string' ? bytes(value) : value, expect }]);
}

async function take(batches: AsyncIterable<WatchBatch>, count: number): Promise<readonly StorageEvent[]> {
  const taken: StorageEvent[] = [];
  for await (const { events } of batches) {
    taken.push(...events);
    if (taken.length >= count) break;
  }
  return taken;
}

const figure = async (storage: Storage, name: string): Promise<number> => (await storage.status()).figures.find((known) => known.name === name)?.value ?? assert.fail(name);

async function sweptOut(storage: Storage): Promise<void> {
  while (await figure(storage, 'unswept_revisions') > 0) await systemClock.sleep(5);
}

async function whole(path: string): Promise<void> {
  assert.deepEqual((await verifyStore(path)).problems, []);
}

test('lmdb: keys, the past, leases and what was compacted are there after the store was closed and opened', async (t) => {
  const path = folder(t);
  const first = openLmdbStorage({ path });
  let revision = 0;
  for (let round = 0; round < 20; round += 1) revision = await put(first, '/a', String(round), revision);
  const lease = await first.grant(1);
  await first.commit([{ type: 'put', key: '/leased', value: bytes('l'), expect: 0, lease }]);
  await first.compact(5);
  await first.close();

  const second = reopen(t, path);
  assert.equal(await second.revision(), 21);
  assert.equal(text((await second.get('/a', { revision: 7 }))?.value), '6');
  await assert.rejects(second.get('/a', { revision: 4 }), (error) => isStorageError(error, 'Compacted'));
  const events = await take(second.watch({ prefix: '/', after: 5, signal: t.signal }), 17);
  // The lease was not lost with the process that gave it, and those who watch hear of its end.
  assert.deepEqual(events.map((event) => [event.type, event.revision, text(event.previous?.value)]).slice(-3), [['put', 20, '18'], ['put', 21, ''], ['delete', 22, 'l']]);
  assert.notEqual(await second.grant(60), lease);
  await whole(path);
});

test('lmdb: a store of the first format is brought up to date when it is opened', async (t) => {
  const path = folder(t);
  const old = open({ path, maxDbs: 8, overlappingSync: false });
  const values = old.openDB<Buffer, string>({ name: 'values', encoding: 'binary' });
  const meta = old.openDB<number, string>({ name: 'meta', encoding: 'ordered-binary' });
  for (const [key, created, changed] of [['/a', 1, 9], ['/b', 4, 4], ['/c', 4, 9]] as const) {
    const header = Buffer.alloc(16);
    header.writeDoubleBE(created, 0);
    header.writeDoubleBE(changed, 8);
    await values.put(key, Buffer.concat([header, Buffer.from(key)]));
  }
  await meta.put('format', 1);
  await meta.put('revision', 12);
  await old.close();

  const storage = reopen(t, path);
  const { items, revision } = await storage.list({ prefix: '/' });
  assert.deepEqual(items.map((item) => [item.key, text(item.value), item.createRevision, item.modRevision]), [['/a', '/a', 1, 9], ['/b', '/b', 4, 4], ['/c', '/c', 4, 9]]);
  assert.equal(revision, 12);
  await assert.rejects(take(storage.watch({ prefix: '/', after: 11, signal: t.signal }), 1), (error) => isStorageError(error, 'Compacted'));
  assert.equal(await put(storage, '/a', 'new', 9), 13);
  assert.equal(text((await storage.get('/a', { revision: 12 }))?.value), '/a');
  await whole(path);
});

test('lmdb: a store of a later release is refused, and stays as it is', async (t) => {
  const path = folder(t);
  await openLmdbStorage({ path }).close();
  const environment = open({ path, maxDbs: 8 });
  await environment.openDB<number, string>({ name: 'meta', encoding: 'ordered-binary' }).put('format', 99);
  await environment.close();
  const before = readFileSync(join(path, 'data.mdb'));
  assert.throws(() => openLmdbStorage({ path }), (error) => isStorageError(error, 'Newer') && error.message.includes('format 99'));
  assert.deepEqual(readFileSync(join(path, 'data.mdb')), before);
});

test('lmdb: a path that is no directory is said to be unusable', (t) => {
  const path = join(folder(t), 'file');
  writeFileSync(path, 'not a store');
  assert.throws(() => openLmdbStorage({ path: join(path, 'store') }), (error) => isStorageError(error) && error.message.includes(path));
});

test('lmdb: the space of what was compacted is used again', async (t) => {
  const path = folder(t);
  const storage = reopen(t, path);
  const value = new Uint8Array(2000);
  const expects = Array.from({ length: 200 }, () => 0);
  const sizes: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    for (let turn = 0; turn < 5; turn += 1) await Promise.all(expects.map(async (expect, index) => { expects[index] = await put(storage, `/k${index}`, value, expect); }));
    await storage.compact(await storage.revision());
    await sweptOut(storage);
    sizes.push(await figure(storage, 'file_bytes'));
  }
  assert.equal(await figure(storage, 'versions'), 200);
  assert.ok((sizes.at(-1) ?? 0) <= (sizes[2] ?? 0) * 1.1, `the file goes on growing: ${sizes.join(', ')}`);
  await whole(path);
});

test('lmdb: a compaction that was cut off goes on after a restart', async (t) => {
  const path = folder(t);
  const first = openLmdbStorage({ path });
  let revision = 0;
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(Array.from({ length: 100 }, (_, index) => put(first, `/${round}/${index}`, 'v')));
    revision = await put(first, '/a', String(round), revision);
  }
  for (const { key, modRevision } of (await first.list({ prefix: '/3/' })).items) await first.commit([{ type: 'delete', key, expect: modRevision }]);
  await first.compact(await first.revision());
  await first.close();
  const second = reopen(t, path);
  await sweptOut(second);
  assert.equal(await figure(second, 'versions'), 901);
  await whole(path);
});

test('lmdb: defragmentation shrinks the file under load, and loses nothing', async (t) => {
  const path = folder(t);
  const storage = reopen(t, path);
  const value = new Uint8Array(4000);
  await Promise.all(Array.from({ length: 1000 }, (_, index) => put(storage, `/old/${index}`, value)));
  for (const { key, modRevision } of (await storage.list({ prefix: '/old/', after: '/old/5' })).items) await storage.commit([{ type: 'delete', key, expect: modRevision }]);
  await storage.compact(await storage.revision());
  await sweptOut(storage);
  const start = await storage.revision();
  const lease = await storage.grant(60);
  const stop = new AbortController();
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    let expect = 0;
    for (let round = 0; !stop.signal.aborted; round += 1) {
      expect = await storage.commit([{ type: 'put', key: `/live/${writer}`, value: bytes(String(round)), expect, lease }]);
      if (round % 7 === 6) {
        await storage.commit([{ type: 'delete', key: `/live/${writer}`, expect }]);
        expect = 0;
      }
      assert.equal((await storage.get(`/live/${writer}`))?.modRevision ?? 0, expect);
    }
  });
  const { before, after } = await storage.defragment();
  stop.abort();
  await Promise.all(writers);
  assert.ok(after < before / 1.5, `${before} → ${after}`);
  const end = await storage.revision();
  const events = await take(storage.watch({ prefix: '/live/', after: start, signal: t.signal }), end - start);
  assert.deepEqual(events.map((event) => event.revision), Array.from({ length: end - start }, (_, index) => start + 1 + index));
  await whole(path);
  await storage.revoke(lease);
  assert.deepEqual((await storage.list({ prefix: '/live/' })).items, []);
  await storage.close();
  const again = reopen(t, path);
  assert.equal((await again.list({ prefix: '/old/' })).items.length, (await again.list({ prefix: '/' })).items.length);
  await whole(path);
});

test('lmdb: a snapshot taken under load is one moment of the store, and opens as a store', async (t) => {
  const path = folder(t);
  const storage = reopen(t, path);
  const stop = new AbortController();
  const pairs = Array.from({ length: 6 }, async (_, pair) => {
    let expect = 0;
    for (let round = 0; !stop.signal.aborted; round += 1) expect = await storage.commit(['left', 'right'].map((side) => ({ type: 'put', key: `/${pair}/${side}`, value: bytes(String(round)), expect }) as const));
  });
  while (await storage.revision() < 50) await systemClock.sleep(1);
  const file = join(folder(t), 'snapshot');
  await storage.snapshot(file);
  await assert.rejects(storage.snapshot(file), (error) => isStorageError(error) && error.message.includes(file));
  stop.abort();
  await Promise.all(pairs);
  assert.deepEqual((await verifyStore(file)).problems, []);
  const copy = folder(t);
  copyFileSync(file, join(copy, 'data.mdb'));
  const restored = reopen(t, copy);
  const { items, revision } = await restored.list({ prefix: '/' });
  assert.equal(items.length, 12);
  assert.ok(revision >= 50 && revision <= await storage.revision());
  for (let pair = 0; pair < 6; pair += 1) assert.deepEqual(items[pair * 2]?.value, items[pair * 2 + 1]?.value);
});

test('lmdb: a snapshot that is cut short, or is none, is refused in words', async (t) => {
  const root = folder(t);
  const storage = reopen(t, join(root, 'store'));
  for (let index = 0; index < 50; index += 1) await put(storage, `/k${index}`, new Uint8Array(3000));
  const file = join(root, 'snapshot');
  await storage.snapshot(file);
  truncateSync(file, 40_960);
  await assert.rejects(verifyStore(file), (error) => isStorageError(error, 'Corrupt') && error.message.includes('cut short'));
  truncateSync(file, 100);
  await assert.rejects(verifyStore(file), (error) => isStorageError(error, 'Corrupt') && error.message.includes('is no store'));
  await assert.rejects(restoreStore(join(root, 'other'), file), (error) => isStorageError(error, 'Corrupt'));
});

test('lmdb: damage in the file is found and named', async (t) => {
  const path = folder(t);
  const storage = openLmdbStorage({ path });
  for (let index = 0; index < 20; index += 1) await put(storage, `/k${index}`, `the value of ${index}`);
  await storage.close();
  const file = join(path, 'data.mdb');
  const content = readFileSync(file);
  for (let at = content.indexOf('the value of 7'); at >= 0; at = content.indexOf('the value of 7', at + 1)) content[at] = 88;
  writeFileSync(file, content);
  const { problems } = await verifyStore(path);
  assert.ok(problems.some((problem) => problem.includes('revision 8 is damaged')), problems.join('\n'));
});

test('lmdb: what a commit costs the disk is counted', async (t) => {
  const storage = reopen(t, folder(t));
  for (let index = 0; index < 50; index += 1) await put(storage, `/k${index}`, new Uint8Array(256));
  const cost = await figure(storage, 'written_bytes_per_commit');
  assert.ok(cost >= 256 && cost < 64 * 1024, String(cost));
});

const mountable = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;

test('lmdb: a full disk refuses writes, goes on with reads, and writing goes on when there is room', { skip: mountable ? false : 'needs root, to mount a small tmpfs' }, async (t) => {
  const mount = mkdtempSync(join(tmpdir(), 'copepod-full-'));
  const opened: Storage[] = [];
  t.after(async () => {
    for (const storage of opened) await storage.close();
    spawnSync('umount', ['-l', mount]);
    rmSync(mount, { recursive: true, force: true });
  });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]).status !== 0) {
    t.skip('a tmpfs cannot be mounted here');
    return;
  }
  const path = join(mount, 'store');
  mkdirSync(path);
  const ballast = join(mount, 'ballast');
  writeFileSync(ballast, new Uint8Array(1024 * 1024));
  const storage = openLmdbStorage({ path });
  opened.push(storage);
  const value = new Uint8Array(20_000);
  const written: string[] = [];
  const fill = async (): Promise<unknown> => {
    for (;;) {
      const key = `/k${written.length}`;
      try {
        await put(storage, key, value);
      } catch (error) {
        return error;
      }
      written.push(key);
    }
  };
  const readAll = async (): Promise<void> => assert.deepEqual(new Set((await storage.list({ prefix: '/' })).items.map((item) => item.key)), new Set(written));
  for (let round = 0; round < 2; round += 1) {
    const refusal = await fill();
    assert.ok(isStorageError(refusal, 'NoSpace') && refusal.message.includes(path), String(refusal));
    const many = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => put(storage, `/many${index}`, value)));
    assert.ok(many.every((outcome) => outcome.status === 'rejected' && isStorageError(outcome.reason, 'NoSpace')));
    await assert.rejects(storage.defragment(), (error) => isStorageError(error, 'NoSpace'));
    await readAll();
    if (round === 0) rmSync(ballast);
  }
  assert.ok(written.length > 50, 'writing went on when there was room');
  const revision = await storage.revision();
  assert.equal(revision, written.length);
  await storage.close();
  const again = openLmdbStorage({ path });
  opened.push(again);
  assert.equal(await again.revision(), revision);
  await whole(path);
});
