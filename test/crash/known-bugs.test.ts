// Bugs other stores had, each as a test of ours: the table is in README.md.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockDirectory, LockError } from '@copepod/control-plane/lock';
import { isStorageError, type LmdbStorage, openLmdbStorage, type Storage, type StorageEvent, verifyStore, type WatchBatch } from '@copepod/control-plane/storage';
import { randomOf, seedOf } from './random.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'copepod-bugs-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function open(t: TestContext, path: string): LmdbStorage {
  const storage = openLmdbStorage({ path });
  t.after(() => storage.close());
  return storage;
}

const put = (storage: Storage, key: string, expect = 0, size = 100): Promise<number> => storage.commit([{ type: 'put', key, value: new Uint8Array(size), expect }]);

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
  while (await figure(storage, 'unswept_revisions') > 0) await sleep(5);
}

test('a deletion at the compaction boundary is told to those who begin before it, or they are told it is gone', async (t) => {
  const storage = open(t, folder(t));
  const made = await put(storage, '/a');
  const deleted = await storage.commit([{ type: 'delete', key: '/a', expect: made }]);
  await put(storage, '/b');
  assert.equal((await take(storage.watch({ prefix: '/', after: made, signal: t.signal }), 2))[0]?.type, 'delete');
  await storage.compact(deleted);
  await sweptOut(storage);
  await assert.rejects(take(storage.watch({ prefix: '/', after: made, signal: t.signal }), 1), (error) => isStorageError(error, 'Compacted'));
  assert.deepEqual((await take(storage.watch({ prefix: '/', after: deleted, signal: t.signal }), 1)).map((event) => event.key), ['/b']);
});

test('revisions never go back, though the newest one was a deletion that was compacted away', async (t) => {
  const path = folder(t);
  const first = openLmdbStorage({ path });
  const deleted = await first.commit([{ type: 'delete', key: '/a', expect: await put(first, '/a') }]);
  await first.compact(deleted);
  await sweptOut(first);
  assert.equal(await figure(first, 'versions'), 0);
  await first.close();
  const second = open(t, path);
  assert.equal(await second.revision(), deleted);
  assert.equal(await put(second, '/b'), deleted + 1);
});

test('a defragmentation killed at any moment leaves the old file or the new one, whole', { timeout: 120_000 }, async (t) => {
  const seed = seedOf();
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const path = folder(t);
  const first = openLmdbStorage({ path });
  await Promise.all(Array.from({ length: 500 }, (_, index) => put(first, `/k${index}`, 0, 2000)));
  const revision = await first.revision();
  await first.close();
  const script = `
    import { openLmdbStorage } from ${JSON.stringify(import.meta.resolve('@copepod/control-plane/storage'))};
    const storage = openLmdbStorage({ path: ${JSON.stringify(path)} });
    process.stdout.write('open');
    for (;;) await storage.defragment();`;
  for (let round = 0; round < 8; round += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await sleep(random() * 60);
    child.kill('SIGKILL');
    await once(child, 'close');
    const storage = openLmdbStorage({ path });
    assert.deepEqual([await storage.revision(), (await storage.list({ prefix: '/' })).items.length, existsSync(join(path, 'defrag'))], [revision, 500, false]);
    await storage.close();
    assert.deepEqual((await verifyStore(path)).problems, []);
  }
});

test('a store in use is never opened by a second process, though the first one stands still', async (t) => {
  const path = folder(t);
  const script = `
    import { lockDirectory } from ${JSON.stringify(import.meta.resolve('@copepod/control-plane/lock'))};
    lockDirectory(${JSON.stringify(path)});
    process.stdout.write('locked');
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  assert.throws(() => lockDirectory(path), (error) => error instanceof LockError && error.message.includes(String(child.pid)));
  child.kill('SIGKILL');
  await once(child, 'close');
  lockDirectory(path)();
});

test('every lease ends after a restart, those with many keys too, and watchers hear of each key once', { timeout: 60_000 }, async (t) => {
  const path = folder(t);
  const first = openLmdbStorage({ path });
  const lease = await first.grant(1);
  const kept = await first.grant(600);
  await Promise.all(Array.from({ length: 450 }, (_, index) => first.commit([{ type: 'put', key: `/short/${index}`, value: new Uint8Array(), expect: 0, lease }])));
  const start = await first.commit([{ type: 'put', key: '/long', value: new Uint8Array(), expect: 0, lease: kept }]);
  await first.close();
  const second = open(t, path);
  const events = await take(second.watch({ prefix: '/', after: start, signal: t.signal }), 450);
  assert.equal(new Set(events.map((event) => event.key)).size, 450);
  assert.ok(events.every((event) => event.type === 'delete'));
  assert.deepEqual((await second.list({ prefix: '/' })).items.map((item) => item.key), ['/long']);
  while (await second.keepAlive(lease).then(() => true, () => false)) await sleep(5);
  assert.equal(await second.keepAlive(kept), 600);
});

test('no writer waits long for a compaction', { timeout: 120_000 }, async (t) => {
  const storage = open(t, folder(t));
  const expects = await Promise.all(Array.from({ length: 5000 }, (_, index) => put(storage, `/k${index}`)));
  await Promise.all(expects.map((expect, index) => put(storage, `/k${index}`, expect)));
  await storage.compact(await storage.revision());
  await sweptOut(storage);
  assert.equal(await figure(storage, 'versions'), 5000);
  assert.equal(await figure(storage, 'swept_versions'), 5000);
  // In small pieces: how long one takes is for the bench to say.
  assert.ok(await figure(storage, 'sweeps') >= 5000 / 100);
  t.diagnostic(`a transaction was held up for ${await figure(storage, 'sweep_p99_ms')} ms (p99)`);
});
