// The promises of the work queue, on a clock that stands still.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '../clock/index.ts';
import { createWorkQueue } from './index.ts';

test('a key added many times is worked on once, and again when it was added meanwhile', async () => {
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const queue = createWorkQueue({
    clock: fakeClock(),
    process: async (key) => {
      seen.push(key);
      if (seen.length === 1) await gate.promise;
    },
  });
  for (let round = 0; round < 5; round += 1) queue.add('a');
  await new Promise((resolve) => setImmediate(resolve));
  queue.add('a');
  queue.add('a');
  gate.resolve();
  await queue.idle();
  assert.deepEqual(seen, ['a', 'a']);
});

test('no key is worked on twice at the same time, and no more at once than allowed', async () => {
  const active = new Set<string>();
  let most = 0;
  const queue = createWorkQueue({
    clock: fakeClock(), concurrency: 3,
    process: async (key) => {
      assert.ok(!active.has(key));
      active.add(key);
      most = Math.max(most, active.size);
      await new Promise((resolve) => setImmediate(resolve));
      active.delete(key);
    },
  });
  for (let round = 0; round < 50; round += 1) queue.add(`k${round % 7}`);
  await queue.idle();
  assert.equal(most, 3);
});

test('a key that fails is tried again after 50, 100, 200 ms …, and others are not kept waiting', async () => {
  const clock = fakeClock();
  const tries: number[] = [];
  let others = 0;
  const queue = createWorkQueue({
    clock,
    process: async (key) => {
      if (key === 'good') others += 1;
      else {
        tries.push(clock.monotonic());
        if (tries.length < 4) throw new Error('not yet');
      }
    },
  });
  queue.add('bad');
  queue.add('good');
  await queue.idle();
  assert.equal(others, 1);
  await clock.advance(1000);
  assert.deepEqual(tries, [0, 50, 150, 350]);
  await clock.advance(60_000);
  assert.equal(tries.length, 4);
});

test('of several delays of one key the earliest counts', async () => {
  const clock = fakeClock();
  const times: number[] = [];
  const queue = createWorkQueue({ clock, process: async () => void times.push(clock.monotonic()) });
  queue.addAfter('a', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 900);
  await clock.advance(2000);
  assert.deepEqual(times, [100]);
});

test('after stop nothing more is worked on', async () => {
  const clock = fakeClock();
  let count = 0;
  const queue = createWorkQueue({ clock, process: async () => void (count += 1) });
  queue.addAfter('a', 10);
  await queue.stop();
  queue.add('b');
  await clock.advance(100);
  assert.equal(count, 0);
});
