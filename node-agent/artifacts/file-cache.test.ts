// What is kept of files that can be had again.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { touch, trim } from './file-cache.ts';

async function folderOf(t: TestContext, files: Readonly<Record<string, number>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'copepod-cache-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, usedAt] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, Buffer.alloc(100));
    assert.equal(await touch(path, usedAt), true);
  }
  return folder;
}

test('the files that were not used for longest go first, in folders below too', async (t) => {
  const folder = await folderOf(t, { a: 1000, 'other/b': 3000, c: 2000, d: 4000 });
  await touch(join(folder, 'a'), 5000);
  await trim(folder, { maxBytes: 250, now: 6000, inUse: () => false });
  assert.deepEqual((await readdir(folder)).sort(), ['a', 'd', 'other']);
  assert.deepEqual(await readdir(join(folder, 'other')), []);
});

test('what is in use or being written stays, even when that is too much', async (t) => {
  const folder = await folderOf(t, { used: 1000, 'x.partial': 1000, idle: 9000 });
  await trim(folder, { maxBytes: 50, now: 10_000, inUse: (name) => name === 'used' });
  assert.deepEqual((await readdir(folder)).sort(), ['used', 'x.partial']);
});

test('what a killed process left half written goes after an hour', async (t) => {
  const folder = await folderOf(t, { 'x.partial': 1000, 'y.partial': 3_600_000, kept: 1000 });
  await trim(folder, { maxBytes: 1000, now: 3_602_000, inUse: () => false });
  assert.deepEqual((await readdir(folder)).sort(), ['kept', 'y.partial']);
});

test('a folder or file that is not there is none to keep', async (t) => {
  const folder = await folderOf(t, {});
  await trim(join(folder, 'nowhere'), { maxBytes: 0, now: 0, inUse: () => false });
  assert.equal(await touch(join(folder, 'nowhere'), 1), false);
});
