// How many pods, and which go first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, ReplicaSet } from '@copepod/api/kinds';
import { fakeClock } from '@copepod/client/clock';
import { Expectations } from './expectations.ts';
import { BURST, planReplicaSet } from './plan.ts';

const NOW = 1_700_000_000_000;
const set = (replicas: number, rest: object = {}): ReplicaSet => ({ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'web', generation: 3 }, spec: { replicas, selector: {}, ...rest } });

function pod(name: string, state: { readonly node?: string; readonly phase?: string; readonly ready?: boolean; readonly going?: boolean; readonly age?: number; readonly restarts?: number } = {}): Pod {
  const time = new Date(NOW - (state.age ?? 60) * 1000).toISOString();
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, uid: name, creationTimestamp: time, ...(state.going === true ? { deletionTimestamp: time } : {}) },
    spec: { containers: [], nodeName: state.node ?? 'n1' },
    status: { phase: state.phase ?? 'Running', conditions: [{ type: 'Ready', status: state.ready === false ? 'False' : 'True', lastTransitionTime: time }], containerStatuses: [{ name: 'c', image: '', imageID: '', ready: true, restartCount: state.restarts ?? 0 }] },
  };
}

test('missing pods are made, ended and going ones do not count', () => {
  const plan = planReplicaSet(set(3), [pod('a'), pod('b', { phase: 'Failed' }), pod('c', { going: true })], NOW);
  assert.equal(plan.create, 2);
  assert.deepEqual(plan.remove, []);
  assert.deepEqual(plan.status, { replicas: 1, readyReplicas: 1, availableReplicas: 1, fullyLabeledReplicas: 1, observedGeneration: 3 });
});

test('surplus pods go: unplaced first, then pending, unready, often restarted, young', () => {
  const pods = [pod('old'), pod('young', { age: 5 }), pod('restarted', { restarts: 4 }), pod('unready', { ready: false }), pod('pending', { phase: 'Pending', ready: false }), pod('unplaced', { node: '', phase: 'Pending', ready: false })];
  const order = planReplicaSet(set(0), pods, NOW).remove.map(({ metadata }) => metadata.name);
  assert.deepEqual(order, ['unplaced', 'pending', 'unready', 'restarted', 'young', 'old']);
  assert.deepEqual(planReplicaSet(set(5), pods, NOW).remove.map(({ metadata }) => metadata.name), ['unplaced']);
});

test('a pod is available only after minReadySeconds, and is looked at again then', () => {
  const plan = planReplicaSet(set(1, { minReadySeconds: 30 }), [pod('a', { age: 10 })], NOW);
  assert.deepEqual([plan.status.readyReplicas, plan.status.availableReplicas, plan.recheckAfterMs], [1, 0, 30_000]);
});

test('one round makes no more than a burst, and a set that goes makes none', () => {
  assert.equal(planReplicaSet(set(10_000), [], NOW).create, BURST);
  const going = set(3);
  assert.equal(planReplicaSet({ ...going, metadata: { ...going.metadata, deletionTimestamp: 'now' } }, [], NOW).create, 0);
});

test('an expectation is met by the event, by the event that came first, or by patience', () => {
  const clock = fakeClock();
  const expectations = new Expectations(() => clock.monotonic());
  expectations.expectCreated('k', 'a');
  assert.equal(expectations.met('k'), false);
  expectations.observe('k', 'a', false);
  assert.equal(expectations.met('k'), true);
  expectations.observe('k', 'b', false);
  expectations.expectCreated('k', 'b');
  assert.equal(expectations.met('k'), true);
  expectations.expectDeleted('k', 'a');
  assert.equal(expectations.met('k'), false);
  return clock.advance(60_000).then(() => assert.equal(expectations.met('k'), true));
});
