// The node's signing secret.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureCompileSeed } from './compile-seed.ts';

test('the seed is made once, is the owner\'s alone to read, and is replaced when it is torn', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-seed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pki', 'compile.seed');
  const seed = ensureCompileSeed(path);
  assert.equal(seed.length, 32);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(Buffer.from(ensureCompileSeed(path)), Buffer.from(seed));
  writeFileSync(path, 'torn');
  assert.equal(ensureCompileSeed(path).length, 32);
  assert.notDeepEqual(Buffer.from(ensureCompileSeed(path)), Buffer.from(seed));
});
