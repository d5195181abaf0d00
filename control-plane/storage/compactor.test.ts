// What the compactor keeps, by a clock that stands still until it is moved.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { fakeClock, type FakeClock } from '@copepod/client/clock';
import { runCompactor } from './compactor.ts';
import { createMemoryStorage } from './memory/memory-storage.ts';
import type { Storage } from './storage.ts';

function start(t: TestContext, retention: { readonly ms: number; readonly revisions: number }): { readonly storage: Storage; readonly clock: FakeClock; readonly write: (count: number) => Promise<void>; readonly compacted: () => Promise<number> } {
  const clock = fakeClock();
  const storage = createMemoryStorage({ clock });
  const stop = new AbortController();
  const running = runCompactor({ storage, clock, retention, onError: (error) => assert.fail(String(error)) }, stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    await storage.close();
  });
  let expect = 0;
  return {
    storage, clock,
    async write(count) {
      for (let index = 0; index < count; index += 1) expect = await storage.commit([{ type: 'put', key: '/k', value: new Uint8Array(), expect }]);
    },
    compacted: async () => (await storage.status()).compacted,
  };
}

test('nothing younger than the time that is kept is given up', async (t) => {
  const { clock, write, compacted } = start(t, { ms: 1000, revisions: 0 });
  await write(50);
  await clock.advance(900);
  assert.equal(await compacted(), 0);
  await write(50);
  await clock.advance(250);
  assert.equal(await compacted(), 50);
  await clock.advance(2000);
  assert.equal(await compacted(), 100);
});

test('the newest revisions are kept however old they are', async (t) => {
  const { clock, write, compacted } = start(t, { ms: 1000, revisions: 30 });
  await write(100);
  await clock.advance(5000);
  assert.equal(await compacted(), 70);
});
