// Promises every kind keeps; a new kind is judged by them as soon as it is in KINDS.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../meta/index.ts';
import { checkStruct, structSchema } from '../schema/index.ts';
import { type AnyKind, findKindByName, formatAge, KINDS } from './index.ts';

const container = { name: 'web', image: 'web:1', ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } };
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } };
const selector = { matchLabels: { app: 'web' } };

/** A sample of each kind, as a person would write it. */
const SAMPLES: Readonly<Record<string, object>> = {
  Namespace: {}, Node: {}, ConfigMap: { data: { a: 'b' } }, Secret: { stringData: { a: 'b' } }, Lease: { spec: { holderIdentity: 'me' } },
  Pod: { spec: { containers: [container] } }, Service: { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
  Event: { involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' } },
  EndpointSlice: { addressType: 'IPv4', endpoints: [{ addresses: ['127.128.0.1'] }], ports: [{ port: 80 }] },
  Deployment: { spec: { selector, template } }, ReplicaSet: { spec: { selector, template } },
};

function sample(kind: AnyKind): KubeObject {
  const body = SAMPLES[kind.kind];
  assert.ok(body !== undefined, `${kind.kind} has no sample here`);
  return { apiVersion: kind.apiVersion, kind: kind.kind, metadata: { name: 'web', ...(kind.namespaced ? { namespace: 'default' } : {}) }, ...body };
}

for (const kind of KINDS) {
  test(`${kind.kind}: its defaults fit its schema, are complete at once, and change nothing they were given`, () => {
    const written = Object.freeze(sample(kind));
    const once = kind.defaults(written);
    assert.deepEqual(kind.defaults(once), once);
    const checked = checkStruct(kind.struct, once);
    assert.deepEqual([checked.unknown, checked.wrong], [[], []]);
    assert.deepEqual(kind.validate(once), []);
    assert.deepEqual(kind.validateUpdate(once, once), []);
  });

  test(`${kind.kind}: its columns can be shown of a bare and of a full object, and its names are found`, () => {
    assert.ok(structSchema(kind.struct).fields.has('metadata'));
    for (const column of kind.columns) assert.ok(['string', 'number'].includes(typeof column.value(kind.defaults(sample(kind)), 0)), column.name);
    for (const name of [kind.plural, kind.singular, kind.kind, ...kind.shortNames]) assert.equal(findKindByName(name), kind, name);
  });
}

test('what a kind refuses is named by its field', () => {
  const refused = (kind: string, body: object): readonly (string | undefined)[] => {
    const found = KINDS.find((known) => known.kind === kind);
    assert.ok(found !== undefined);
    const object = found.defaults({ apiVersion: found.apiVersion, kind, metadata: { name: 'web' }, ...body });
    return found.validate(object).map((error) => error.field);
  };
  assert.deepEqual(refused('Pod', { spec: { containers: [container, { ...container, name: 'b' }] } }), ['spec.containers']);
  assert.deepEqual(refused('Pod', { spec: { containers: [{ name: 'Web', image: 'x', volumeMounts: [{ name: 'a', mountPath: '/a' }] }] } }), ['spec.containers[0].name', 'spec.containers[0].volumeMounts[0].name']);
  assert.deepEqual(refused('Pod', { metadata: { name: 'web', annotations: { 'copepod.dev/warm': 'yes', 'copepod.dev/wram': '1' } }, spec: { containers: [container] } }), ['metadata.annotations[copepod.dev/warm]', 'metadata.annotations[copepod.dev/wram]']);
  assert.deepEqual(refused('Pod', { spec: { containers: [{ ...container, resources: { limits: { memory: '8Gi', cpu: '0' } }, ports: [{ containerPort: 53, protocol: 'SCTP' }] }] } }), ['spec.containers[0].ports[0].protocol', 'spec.containers[0].resources.limits[memory]', 'spec.containers[0].resources.limits[cpu]']);
  const asking = { ...template, metadata: { ...template.metadata, annotations: { 'copepod.dev/reuse': 'always' } } };
  assert.deepEqual(refused('ReplicaSet', { spec: { selector, template: asking } }), ['spec.template.metadata.annotations[copepod.dev/reuse]']);
  assert.deepEqual(refused('Deployment', { metadata: { name: 'web', annotations: { 'copepod.dev/egress': 'a:1', 'example.com/x': 'y' } }, spec: { selector, template } }), ['metadata.annotations[copepod.dev/egress]']);
  assert.deepEqual(refused('Pod', { spec: { containers: [{ name: 'web', image: 'x', livenessProbe: { exec: {} } }] } }), ['spec.containers[0].livenessProbe']);
  assert.deepEqual(refused('Deployment', { spec: { replicas: -1, selector: { matchLabels: { app: 'other' } }, template } }), ['spec.replicas', 'spec.template.metadata.labels']);
  assert.deepEqual(refused('Deployment', { spec: { selector, template, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } } }), ['spec.strategy.rollingUpdate.maxUnavailable']);
  assert.deepEqual(refused('Service', { spec: { ports: [{ port: 80 }, { port: 70000, name: 'b' }] } }), ['spec.ports[0].name', 'spec.ports[1].port']);
  assert.deepEqual(refused('Secret', { data: { a: 'not base64!' } }), ['data[a]']);
});

test('ages are worded as kubectl words them', () => {
  const now = Date.parse('2026-01-10T00:00:00Z');
  const ago = (seconds: number): string => formatAge(new Date(now - seconds * 1000).toISOString(), now);
  assert.deepEqual([5, 119, 190, 600, 7200, 14_400, 86_400 * 3].map(ago), ['5s', '119s', '3m10s', '10m', '120m', '4h', '3d']);
});
