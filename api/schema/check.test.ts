// The schema's judgement of objects as people write them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStruct, closest, structNames, structSchema } from './index.ts';

const pod = (spec: object): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec });

test('an unknown field is named with its path and what was probably meant, and left out of the object', () => {
  const checked = checkStruct('core.v1.Pod', pod({ containers: [{ name: 'web', image: 'x', livenesProbe: {} }], resartPolicy: 'Always' }));
  assert.deepEqual(checked.unknown.map((error) => error.message).sort(), [
    'unknown field "spec.containers[0].livenesProbe", did you mean "livenessProbe"?', 'unknown field "spec.resartPolicy", did you mean "restartPolicy"?',
  ]);
  assert.deepEqual(checked.value, pod({ containers: [{ name: 'web', image: 'x' }] }));
});

test('a value of the wrong type is named with the type it must have', () => {
  const checked = checkStruct('core.v1.Pod', pod({ containers: [{ name: 'web', image: 7, resources: { limits: { memory: '12 apples' } } }], terminationGracePeriodSeconds: '30' }));
  assert.deepEqual(checked.wrong.map((error) => error.field), ['spec.containers[0].image', 'spec.containers[0].resources.limits.memory', 'spec.terminationGracePeriodSeconds']);
});

test('a missing required field is named, except in a status', () => {
  assert.deepEqual(checkStruct('core.v1.Pod', pod({})).wrong.map((error) => error.field), ['spec.containers']);
  assert.deepEqual(checkStruct('core.v1.Pod', { ...pod({ containers: [] }), status: { containerStatuses: [{}] } }).wrong, []);
});

test('null counts as absent', () => {
  assert.deepEqual(checkStruct('core.v1.ConfigMap', { metadata: { name: 'a', labels: null }, data: { a: null, b: 'c' } }).value, { metadata: { name: 'a' }, data: { b: 'c' } });
});

test('every struct of the table can be read, and refers only to structs that are there', () => {
  for (const name of structNames()) {
    for (const [field, { type }] of structSchema(name).fields) {
      let inner = type;
      while (inner.is === 'list' || inner.is === 'map') inner = inner.of;
      if (inner.is === 'struct') assert.ok(structNames().includes(inner.name), `${name}.${field} → ${inner.name}`);
    }
  }
});

test('a suggestion is only made for a word that is near', () => {
  assert.equal(closest('replcia', ['replicas', 'selector']), 'replicas');
  assert.equal(closest('zebra', ['replicas', 'selector']), undefined);
});
