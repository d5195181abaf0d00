// The generic store over the real LMDB: what every kind's writes promise.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isAlreadyExists, isApiError, isConflict, isForbidden, isInvalid, isNotFound } from '@copepod/api/errors';
import { type AnyKind, findKindByName, type Pod, type Service } from '@copepod/api/kinds';
import type { KubeObject } from '@copepod/api/meta';
import { openLmdbStorage } from '../storage/index.ts';
import { createWatchCache } from '../watch-cache/index.ts';
import { createRegistry, type Registry } from './index.ts';

const kind = (name: string): AnyKind => findKindByName(name) ?? assert.fail(name);
const WRITE = { dryRun: false };
const SPEC = { ...WRITE, part: 'spec' } as const;

async function open(t: TestContext): Promise<Registry> {
  const path = mkdtempSync(join(tmpdir(), 'copepod-registry-'));
  const storage = openLmdbStorage({ path });
  const cache = await createWatchCache(storage, (error) => assert.fail(String(error)));
  t.after(async () => {
    cache.close();
    await storage.close();
    rmSync(path, { recursive: true, force: true });
  });
  let seed = 1;
  const registry = createRegistry({ storage, cache, now: () => 1_700_000_000_000, random: () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647 });
  await registry.create(kind('namespace'), undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } }, WRITE);
  return registry;
}

const configMap = (name: string, data: object = {}): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const ref = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });

test('an object gets its uid, time and revision from the server, whatever the client says', async (t) => {
  const registry = await open(t);
  const { object } = await registry.create(kind('cm'), 'default', { ...configMap('a'), metadata: { name: 'a', uid: 'mine', creationTimestamp: '2000-01-01T00:00:00Z' } }, WRITE);
  assert.notEqual(object.metadata.uid, 'mine');
  assert.equal(object.metadata.creationTimestamp, '2023-11-14T22:13:20Z');
  assert.match(object.metadata.resourceVersion ?? '', /^\d+$/);
  await assert.rejects(registry.create(kind('cm'), 'default', configMap('a'), WRITE), isAlreadyExists);
  assert.ok(Object.isFrozen(object.metadata));
});

test('a stale update is refused, one without a version is applied to what is there', async (t) => {
  const registry = await open(t);
  const first = (await registry.create(kind('cm'), 'default', configMap('a', { n: '0' }), WRITE)).object;
  await registry.update(kind('cm'), ref('a'), () => ({ ...first, data: { n: '1' } }), SPEC);
  await assert.rejects(registry.update(kind('cm'), ref('a'), () => ({ ...first, data: { n: '2' } }), SPEC), isConflict);
  const bump = (current: KubeObject): KubeObject => {
    const { resourceVersion: _, ...metadata } = current.metadata;
    return { ...current, metadata, data: { n: String(Number((current['data'] as { n: string }).n) + 1) } };
  };
  await Promise.all(Array.from({ length: 8 }, () => registry.update(kind('cm'), ref('a'), bump, SPEC)));
  assert.deepEqual(registry.get(kind('cm'), ref('a')).object['data'], { n: '9' });
});

test('an update that changes nothing writes nothing', async (t) => {
  const registry = await open(t);
  const { object, revision } = await registry.create(kind('cm'), 'default', configMap('a', { n: '0' }), WRITE);
  const again = await registry.update(kind('cm'), ref('a'), () => object, SPEC);
  assert.equal(again.revision, revision);
});

test('a status write leaves the spec, a spec write the status; only a changed spec is a new generation', async (t) => {
  const registry = await open(t);
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const made = (await registry.create(kind('deploy'), 'default', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec: { selector: { matchLabels: { a: 'b' } }, template }, status: { replicas: 9 } }, WRITE)).object;
  assert.deepEqual(made['status'], {});
  const both = (current: KubeObject): KubeObject => ({ ...current, spec: { ...(current['spec'] as object), replicas: 5 }, status: { replicas: 3 } });
  const status = (await registry.update(kind('deploy'), ref('d'), both, { ...WRITE, part: 'status' })).object;
  assert.deepEqual([status['status'], (status['spec'] as { replicas: number }).replicas, status.metadata.generation], [{ replicas: 3 }, 1, 1]);
  const spec = (await registry.update(kind('deploy'), ref('d'), both, SPEC)).object;
  assert.deepEqual([spec['status'], (spec['spec'] as { replicas: number }).replicas, spec.metadata.generation], [{ replicas: 3 }, 5, 2]);
});

test('an object with finalizers stays, marked, until the last one is taken', async (t) => {
  const registry = await open(t);
  await registry.create(kind('cm'), 'default', { ...configMap('a'), metadata: { name: 'a', finalizers: ['x/y'] } }, WRITE);
  const marked = await registry.delete(kind('cm'), ref('a'), WRITE);
  assert.ok(marked?.object.metadata.deletionTimestamp !== undefined);
  await registry.update(kind('cm'), ref('a'), (current) => ({ ...current, metadata: { ...current.metadata, finalizers: [] } }), SPEC);
  assert.throws(() => registry.get(kind('cm'), ref('a')), isNotFound);
});

test('a pod on a node is only marked until its agent deletes it with no grace; one without a node goes at once', async (t) => {
  const registry = await open(t);
  const pod = (name: string, nodeName?: string): KubeObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }], ...(nodeName === undefined ? {} : { nodeName }) } });
  await registry.create(kind('pod'), 'default', pod('free'), WRITE);
  assert.equal(await registry.delete(kind('pod'), ref('free'), WRITE), undefined);
  await registry.create(kind('pod'), 'default', pod('placed', 'n1'), WRITE);
  const marked = await registry.delete(kind('pod'), ref('placed'), WRITE);
  assert.equal((marked?.object as unknown as Pod | undefined)?.metadata.deletionGracePeriodSeconds, 30);
  assert.equal(await registry.delete(kind('pod'), ref('placed'), { ...WRITE, gracePeriodSeconds: 0 }), undefined);
});

test('preconditions of a delete are kept', async (t) => {
  const registry = await open(t);
  await registry.create(kind('cm'), 'default', configMap('a'), WRITE);
  await assert.rejects(registry.delete(kind('cm'), ref('a'), { ...WRITE, preconditions: { uid: 'other' } }), isConflict);
  assert.equal(registry.get(kind('cm'), ref('a')).object.metadata.name, 'a');
});

test('nothing is made in a namespace that is not there or is going', async (t) => {
  const registry = await open(t);
  await assert.rejects(registry.create(kind('cm'), 'nowhere', configMap('a'), WRITE), isNotFound);
  await assert.rejects(registry.delete(kind('ns'), { namespace: undefined, name: 'default' }, WRITE), isForbidden);
  const going = { namespace: undefined, name: 'going' };
  await registry.create(kind('ns'), undefined, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } }, WRITE);
  await registry.delete(kind('ns'), going, WRITE);
  assert.deepEqual(registry.get(kind('ns'), going).object['status'], { phase: 'Terminating' });
  await assert.rejects(registry.create(kind('cm'), 'going', configMap('a'), WRITE), isForbidden);
});

test('services made at the same time get addresses and node ports of their own, and keep them', async (t) => {
  const registry = await open(t);
  const service = (name: string, spec: object = {}): KubeObject => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { type: 'NodePort', ports: [{ port: 80 }], ...spec } });
  const made = await Promise.all(Array.from({ length: 40 }, (_, index) => registry.create(kind('svc'), 'default', service(`s${index}`), WRITE)));
  const specs = made.map(({ object }) => (object as unknown as Service).spec);
  assert.equal(new Set(specs.map((spec) => spec?.clusterIP)).size, 40);
  assert.equal(new Set(specs.map((spec) => spec?.ports?.[0]?.nodePort)).size, 40);
  for (const spec of specs) assert.match(spec?.clusterIP ?? '', /^127\.(9[6-9]|10\d|11[01])\./);
  const changed = (await registry.update(kind('svc'), ref('s0'), () => service('s0', { ports: [{ port: 80, targetPort: 9 }] }), SPEC)).object as unknown as Service;
  assert.deepEqual([changed.spec?.clusterIP, changed.spec?.ports?.[0]?.nodePort], [specs[0]?.clusterIP, specs[0]?.ports?.[0]?.nodePort]);
  await assert.rejects(registry.create(kind('svc'), 'default', service('taken', { clusterIP: specs[0]?.clusterIP }), WRITE), (error) => isApiError(error, 'Invalid') && error.message.includes('already allocated'));
  await assert.rejects(registry.create(kind('svc'), 'default', service('outside', { clusterIP: '10.0.0.1' }), WRITE), isInvalid);
});

test('a dry run answers as if, and leaves nothing', async (t) => {
  const registry = await open(t);
  const { object } = await registry.create(kind('cm'), 'default', { ...configMap(''), metadata: { generateName: 'a-' } }, { dryRun: true });
  assert.match(object.metadata.name ?? '', /^a-[a-z0-9]{5}$/);
  assert.deepEqual(registry.cache.list('/registry/core/configmaps/'), []);
});
