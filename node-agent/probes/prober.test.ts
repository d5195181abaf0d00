// Probes on a clock that stands still.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Probe } from '@copepod/api/kinds';
import { type FakeClock, fakeClock } from '@copepod/client/clock';
import { startProber } from './index.ts';

interface Probing {
  readonly clock: FakeClock;
  readonly told: readonly string[];
  /** What the container answers from now on. */
  answer: number | Error;
  asked: number;
  readonly stop: () => void;
}

function probing(probes: { readonly startup?: Probe; readonly readiness?: Probe; readonly liveness?: Probe }, answer: number | Error = 200): Probing {
  const clock = fakeClock();
  const told: string[] = [];
  const container: { answer: number | Error; asked: number } = { answer, asked: 0 };
  const stop = startProber({
    clock, startup: probes.startup, readiness: probes.readiness, liveness: probes.liveness,
    target: {
      get: async () => {
        container.asked += 1;
        if (container.answer instanceof Error) throw container.answer;
        return container.answer;
      },
    },
    onReady: (ready, why) => void told.push(ready ? 'ready' : `unready: ${why}`),
    onDead: (why) => void told.push(`dead: ${why}`),
  });
  return Object.assign(container, { clock, told, stop });
}

test('without probes a container is ready at once', async () => {
  const state = probing({});
  await state.clock.advance(0);
  assert.deepEqual(state.told, ['ready']);
});

test('readiness follows the answers, and is lost only after so many failures in a row', async () => {
  const state = probing({ readiness: { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 3 } });
  await state.clock.advance(0);
  state.answer = 500;
  await state.clock.advance(2000);
  assert.deepEqual(state.told, ['ready']);
  await state.clock.advance(1000);
  state.answer = 204;
  await state.clock.advance(1000);
  assert.deepEqual(state.told, ['ready', 'unready: HTTP probe failed with statuscode: 500', 'ready']);
  state.stop();
  const { asked } = state;
  await state.clock.advance(10_000);
  assert.equal(state.asked, asked);
});

test('liveness asks for a restart once, and nothing else is asked before the start is over', async () => {
  const state = probing({ startup: { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 5 }, liveness: { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 2 } }, new Error('no answer'));
  await state.clock.advance(2000);
  assert.deepEqual(state.told, []);
  state.answer = 200;
  await state.clock.advance(1000);
  assert.deepEqual(state.told, ['ready']);
  state.answer = 503;
  await state.clock.advance(5000);
  assert.deepEqual(state.told, ['ready', 'dead: Liveness probe failed: HTTP probe failed with statuscode: 503']);
});

test('a start that takes too long asks for a restart', async () => {
  const state = probing({ startup: { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 3 } }, 500);
  await state.clock.advance(10_000);
  assert.deepEqual(state.told, ['dead: Startup probe failed: HTTP probe failed with statuscode: 500']);
});
