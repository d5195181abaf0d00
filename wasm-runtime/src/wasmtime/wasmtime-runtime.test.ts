// The wasmtime adapter against the suite of every engine, and what is its own.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRuntimeError } from '../errors.ts';
import { openRuntime } from '../open.ts';
import { runtimeSuite } from '../suite.ts';
import { EVERYTHING } from './abilities.ts';

runtimeSuite('wasmtime', openRuntime, EVERYTHING);

test('without an addon components run on V8, when that is wanted', async () => {
  const clock = { now: () => '', monotonic: () => 0, after: () => () => {} };
  const fallback = openRuntime({ addon: '/nonexistent.node', withoutAddon: clock });
  assert.equal(fallback.engine.name, 'jco');
  await fallback.close();
  assert.equal(openRuntime({ engine: 'jco', withoutAddon: clock }).engine.name, 'jco');
});

test('an addon that is missing or broken is said to be, with what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-addon-'));
  const broken = join(folder, 'broken.node');
  writeFileSync(broken, 'not a library');
  for (const addon of [join(folder, 'absent.node'), broken]) {
    assert.throws(() => openRuntime({ addon }), (error) => isRuntimeError(error) && error.code === 'AddonMissing' && error.message.includes('npm run setup'));
  }
  rmSync(folder, { recursive: true });
});
