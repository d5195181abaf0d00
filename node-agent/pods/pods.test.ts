// The parts of a pod's life that need no engine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '@copepod/api/kinds';
import { checkStruct } from '@copepod/api/schema';
import { Backoff } from './backoff.ts';
import { type ContainerView, podStatus } from './container-view.ts';
import { PodAddresses } from './pod-addresses.ts';

test('the back-off doubles from 10 s to 5 min, and is forgotten after ten good minutes', () => {
  const backoff = new Backoff();
  const delays: number[] = [];
  let now = 0;
  for (let round = 0; round < 7; round += 1) {
    const delay = backoff.next(now, now);
    delays.push(delay / 1000);
    now += delay;
  }
  assert.deepEqual(delays, [10, 20, 40, 80, 160, 300, 300]);
  assert.equal(backoff.next(now, now + 700_000), 10_000);
  backoff.reset();
  assert.equal(backoff.next(now, now + 1000), 10_000);
});

test('addresses are the block\'s own, one for each pod, and kept over a restart', () => {
  const addresses = new PodAddresses('127.128.16.0/28');
  assert.equal(addresses.take(), '127.128.16.1');
  assert.equal(addresses.take('127.128.16.7'), '127.128.16.7');
  assert.equal(addresses.take('127.128.16.7'), '127.128.16.2');
  assert.equal(addresses.take('10.0.0.1'), '127.128.16.3');
  addresses.release('127.128.16.1');
  assert.equal(addresses.take(), '127.128.16.4');
  const rest = Array.from({ length: 20 }, () => addresses.take()).filter((address) => address !== undefined);
  assert.equal(new Set(rest).size, rest.length);
  assert.ok(rest.includes('127.128.16.1'));
  assert.equal(addresses.take(), undefined);
});

const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', uid: 'u' }, spec: { containers: [{ name: 'c', image: 'i' }] }, status: { conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2025-12-31T00:00:00Z' }] } };
const base: ContainerView = { state: { is: 'running', startedAt: '2026-01-01T00:00:00Z' }, ready: true, started: true, restartCount: 0, lastTerminated: undefined, digest: 'sha256:x', phase: undefined };
const around = { hostIP: '10.0.0.1', podIP: '127.128.0.1', startTime: '2026-01-01T00:00:00Z', now: '2026-01-01T00:00:09Z' };

test('a pod\'s status says what its container does, keeps what others said, and fits the schema', () => {
  const cases: readonly [Partial<ContainerView>, string, string][] = [
    [{}, 'Running', 'True'],
    [{ state: { is: 'waiting', reason: 'ContainerCreating', message: '' }, ready: false }, 'Pending', 'False'],
    [{ state: { is: 'waiting', reason: 'CrashLoopBackOff', message: 'm' }, ready: false, restartCount: 2 }, 'Running', 'False'],
    [{ state: { is: 'terminated', terminated: { exitCode: 0, reason: 'Completed' } }, ready: false, phase: 'Succeeded' }, 'Succeeded', 'False'],
    [{ state: { is: 'terminated', terminated: { exitCode: 1, reason: 'Error' } }, ready: false, phase: 'Failed' }, 'Failed', 'False'],
  ];
  for (const [change, phase, ready] of cases) {
    const status = podStatus(pod, { ...base, ...change }, around);
    assert.equal(status.phase, phase);
    assert.equal(status.conditions?.find((condition) => condition.type === 'Ready')?.status, ready);
    assert.deepEqual(status.conditions?.[0], { type: 'PodScheduled', status: 'True', lastTransitionTime: '2025-12-31T00:00:00Z' });
    assert.deepEqual(checkStruct('core.v1.PodStatus', status).wrong, []);
  }
});

test('the time of a condition moves only when it changes', () => {
  const first = podStatus(pod, base, around);
  const again = podStatus({ ...pod, status: first }, base, { ...around, now: '2026-01-01T01:00:00Z' });
  assert.deepEqual(again, first);
  const changed = podStatus({ ...pod, status: first }, { ...base, ready: false }, { ...around, now: '2026-01-01T01:00:00Z' });
  assert.equal(changed.conditions?.find((condition) => condition.type === 'Ready')?.lastTransitionTime, '2026-01-01T01:00:00Z');
});
