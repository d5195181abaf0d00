// The ways to change a part of an object.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isApiError, isBadRequest } from '../errors/index.ts';
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, createApplyPatch } from './index.ts';

const DEPLOYMENT = 'apps.v1.Deployment';
const template = (containers: readonly object[]): object => ({ spec: { template: { spec: { containers } } } });

test('a JSON patch is applied to a copy, and a test that fails changes nothing', () => {
  const target = { a: { b: 1 }, list: [1, 2] };
  assert.deepEqual(applyJsonPatch(target, [{ op: 'replace', path: '/a/b', value: 2 }, { op: 'add', path: '/list/-', value: 3 }]), { a: { b: 2 }, list: [1, 2, 3] });
  assert.deepEqual(target, { a: { b: 1 }, list: [1, 2] });
  assert.throws(() => applyJsonPatch(target, [{ op: 'test', path: '/a/b', value: 5 }]), (error) => isApiError(error, 'Invalid'));
  for (const bad of [{}, [{ op: 'frob', path: '/a' }], [{ op: 'add' }]]) assert.throws(() => applyJsonPatch(target, bad), isBadRequest);
});

test('a merge patch removes by null, merges objects and replaces lists (RFC 7396)', () => {
  assert.deepEqual(applyMergePatch({ a: 1, b: { c: 1, d: 2 }, e: [1] }, { a: null, b: { c: 3 }, e: [2] }), { b: { c: 3, d: 2 }, e: [2] });
});

test('a strategic patch merges containers by name and ports by containerPort', () => {
  const target = template([{ name: 'a', image: 'a:1', ports: [{ containerPort: 80, name: 'http' }] }, { name: 'b', image: 'b:1' }]);
  const patched = applyStrategicMergePatch(DEPLOYMENT, target, template([{ name: 'a', image: 'a:2', ports: [{ containerPort: 80, protocol: 'TCP' }, { containerPort: 81 }] }]));
  assert.deepEqual(patched, template([{ name: 'a', image: 'a:2', ports: [{ containerPort: 80, name: 'http', protocol: 'TCP' }, { containerPort: 81 }] }, { name: 'b', image: 'b:1' }]));
});

test('a strategic patch deletes, replaces and orders as its directives say', () => {
  const target = template([{ name: 'a', image: '1' }, { name: 'b', image: '1' }]);
  assert.deepEqual(applyStrategicMergePatch(DEPLOYMENT, target, template([{ name: 'a', $patch: 'delete' }])), template([{ name: 'b', image: '1' }]));
  assert.deepEqual(applyStrategicMergePatch(DEPLOYMENT, target, template([{ $patch: 'replace' }, { name: 'c' }])), template([{ name: 'c' }]));
  const ordered = applyStrategicMergePatch(DEPLOYMENT, target, { spec: { template: { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'b', image: '2' }] } } } });
  assert.deepEqual(ordered, template([{ name: 'b', image: '2' }, { name: 'a', image: '1' }]));
  const kept = applyStrategicMergePatch(DEPLOYMENT, { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } });
  assert.deepEqual(kept, { spec: { strategy: { type: 'Recreate' } } });
  const finalizers = applyStrategicMergePatch(DEPLOYMENT, { metadata: { finalizers: ['a', 'b'] } }, { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } });
  assert.deepEqual(finalizers, { metadata: { finalizers: ['b'] } });
  assert.throws(() => applyStrategicMergePatch(DEPLOYMENT, target, template([{ image: 'nameless' }])), isBadRequest);
});

test('apply takes back what the last manifest said and this one does not, and leaves what others set', () => {
  const last = template([{ name: 'a', image: '1', args: ['x'] }, { name: 'b', image: '1' }]);
  const live = { metadata: { labels: { theirs: 'yes' } }, ...template([{ name: 'a', image: '1', args: ['x'], terminationMessagePath: '/x' }, { name: 'b', image: '1' }, { name: 'sidecar', image: 's' }]) };
  const wanted = template([{ name: 'a', image: '2' }]);
  const patched = applyStrategicMergePatch(DEPLOYMENT, live, createApplyPatch(DEPLOYMENT, last, wanted));
  assert.deepEqual(patched, { metadata: { labels: { theirs: 'yes' } }, ...template([{ name: 'a', image: '2', terminationMessagePath: '/x' }, { name: 'sidecar', image: 's' }]) });
});
