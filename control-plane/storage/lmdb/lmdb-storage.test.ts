// The LMDB store against the suite of every store, and what is its own: it survives being closed, and being killed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { isStorageError } from '../errors.ts';
import { storageSuite } from '../suite.ts';
import { openLmdbStorage } from './lmdb-storage.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'copepod-lmdb-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

storageSuite('lmdb', (t) => {
  const storage = openLmdbStorage({ path: folder(t), window: 100 });
  t.after(() => storage.close());
  return storage;
});

test('lmdb: values and revisions are there after the store was closed and opened', async (t) => {
  const path = folder(t);
  const first = openLmdbStorage({ path });
  await first.commit([{ type: 'put', key: '/a', value: new Uint8Array([1, 2, 3]), expect: 0 }]);
  await first.close();
  const second = openLmdbStorage({ path });
  t.after(() => second.close());
  assert.deepEqual((await second.get('/a'))?.value, new Uint8Array([1, 2, 3]));
  assert.equal(await second.revision(), 1);
  assert.equal(await second.commit([{ type: 'put', key: '/b', value: new Uint8Array(), expect: 0 }]), 2);
});

test('lmdb: nothing that was acknowledged is lost when the process is killed', { timeout: 60_000 }, async (t) => {
  const path = folder(t);
  const script = join(folder(t), 'writer.ts');
  writeFileSync(script, `
    import { openLmdbStorage } from ${JSON.stringify(join(import.meta.dirname, 'lmdb-storage.ts'))};
    const storage = openLmdbStorage({ path: ${JSON.stringify(path)} });
    const round = process.argv[2];
    for (let batch = 0; batch < 10000; batch += 1) {
      await Promise.all(Array.from({ length: 10 }, async (_, index) => {
        const key = \`/\${round}/\${batch}/\${index}\`;
        await storage.commit([{ type: 'put', key, value: new TextEncoder().encode(key), expect: 0 }]);
        process.stdout.write(key + '\\n');
      }));
    }`);
  const acknowledged: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    const writer = spawn(process.execPath, [script, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const target = acknowledged.length + 100 + round * 137;
    const lines = createInterface({ input: writer.stdout });
    lines.on('line', (line) => {
      acknowledged.push(line);
      if (acknowledged.length >= target) writer.kill('SIGKILL');
    });
    await once(writer, 'close');
  }
  const storage = openLmdbStorage({ path });
  t.after(() => storage.close());
  assert.ok(acknowledged.length > 500);
  for (const key of acknowledged) assert.equal(new TextDecoder().decode((await storage.get(key))?.value), key);
});

test('lmdb: a path that is no directory is said to be unusable', (t) => {
  const path = join(folder(t), 'file');
  writeFileSync(path, 'not a store');
  assert.throws(() => openLmdbStorage({ path: join(path, 'store') }), (error) => isStorageError(error) && error.message.includes(path));
});
