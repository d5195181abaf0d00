// Snapshots by the clock: when, and which are kept.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeClock, systemClock } from '@copepod/client/clock';
import { openLmdbStorage } from './lmdb/lmdb-storage.ts';
import { verifyStore } from './lmdb/verify.ts';
import { runSnapshots, snapshotsIn } from './snapshots.ts';

test('a snapshot is taken every so often, the newest are kept, and what is not ours is left', { timeout: 60_000 }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'copepod-snapshots-'));
  const folder = join(root, 'snapshots');
  mkdirSync(folder);
  writeFileSync(join(folder, 'mine'), 'kept');
  const clock = fakeClock();
  const storage = openLmdbStorage({ path: join(root, 'store') });
  const stop = new AbortController();
  const taken: string[] = [];
  const running = runSnapshots({ storage, clock, plan: { folder, everyMs: 60_000, keep: 2 }, onTaken: (file) => void taken.push(file), onError: (error) => assert.fail(String(error)) }, stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    await storage.close();
    rmSync(root, { recursive: true, force: true });
  });
  for (let round = 1; round <= 4; round += 1) {
    await storage.commit([{ type: 'put', key: `/${round}`, value: new Uint8Array(), expect: 0 }]);
    await clock.advance(59_000);
    assert.equal(taken.length, round - 1);
    await clock.advance(1000);
    while (taken.length < round) await systemClock.sleep(1);
  }
  assert.deepEqual(snapshotsIn(folder).map((name) => name.replace(/.*-r/, '')), ['3', '4']);
  for (const name of snapshotsIn(folder)) assert.deepEqual((await verifyStore(join(folder, name))).problems, []);
});
