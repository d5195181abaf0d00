// The controllers and the scheduler together, on a real control plane. The nodes are simulated: each says of every pod it is given that
// it runs, and lets go of those that are to go.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CONFIG_MAP, type Deployment, DEPLOYMENT, ENDPOINT_SLICE, EVENT, LEASE, NAMESPACE, NODE, type Pod, POD, REPLICA_SET, SERVICE } from '@copepod/api/kinds';
import { isNotFound } from '@copepod/api/errors';
import { resourceClient, type Transport } from '@copepod/client/rest';
import { ADMIN } from '../main.ts';
import { startTestPlane } from '../testing.ts';

const time = (): string => new Date(Date.now()).toISOString().replace(/\.\d+Z$/, 'Z');

async function simulateNode(t: TestContext, transport: Transport, name: string): Promise<{ readonly fallSilent: () => void }> {
  const nodes = resourceClient(transport, NODE);
  const pods = resourceClient(transport, POD);
  const leases = resourceClient(transport, LEASE);
  const made = await nodes.create({ apiVersion: 'v1', kind: 'Node', metadata: { name } });
  await nodes.updateStatus({ ...made, metadata: { name }, status: { allocatable: { cpu: '4', memory: '4Gi', pods: '500' }, conditions: [{ type: 'Ready', status: 'True' }] } });
  await leases.create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: 'kube-node-lease' }, spec: { renewTime: new Date(Date.now()).toISOString() } });
  const stop = new AbortController();
  t.after(() => stop.abort());
  const beat = setInterval(() => void leases.patch({ namespace: 'kube-node-lease', name }, { type: 'merge', body: { spec: { renewTime: new Date(Date.now()).toISOString() } } }).catch(() => {}), 200);
  t.after(() => clearInterval(beat));
  const seen = new Set<string>();
  let count = 0;
  const handle = async (pod: Pod): Promise<void> => {
    const ref = { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' };
    if (pod.metadata.deletionTimestamp !== undefined) {
      await pods.delete(ref, { gracePeriodSeconds: 0 });
      return;
    }
    if (seen.has(pod.metadata.uid ?? '')) return;
    seen.add(pod.metadata.uid ?? '');
    count += 1;
    const { resourceVersion: _, ...metadata } = pod.metadata;
    await pods.updateStatus({ ...pod, metadata, status: { ...pod.status, phase: 'Running', podIP: `127.128.0.${count}`, conditions: [...(pod.status?.conditions ?? []), { type: 'Ready', status: 'True', lastTransitionTime: time() }] } });
  };
  void (async () => {
    for await (const event of pods.watch({ fieldSelector: `spec.nodeName=${name}`, signal: stop.signal })) {
      if (event.type !== 'DELETED' && event.type !== 'BOOKMARK') handle(event.object).catch(() => {});
    }
  })();
  return {
    fallSilent: () => {
      clearInterval(beat);
      stop.abort();
    },
  };
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < until, `${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const deployment = (name: string, replicas: number, image = 'web:1', namespace = 'default'): Deployment => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace },
  spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } } },
});

interface World {
  readonly transport: Transport;
  readonly pods: (selector?: string) => Promise<readonly Pod[]>;
  readonly rolledOut: (name: string, replicas: number) => Promise<boolean>;
}

async function world(t: TestContext): Promise<World> {
  const plane = await startTestPlane(t, { store: 'memory', nodeGraceMs: 1000, nodeEvictionMs: 300 });
  const transport = plane.transportFor(ADMIN);
  return {
    transport,
    pods: async (selector) => (await resourceClient(transport, POD).list({ namespace: 'default', labelSelector: selector })).items,
    rolledOut: async (name, replicas) => {
      const { status, metadata } = await resourceClient(transport, DEPLOYMENT).get({ namespace: 'default', name });
      return status?.observedGeneration === metadata.generation && status?.availableReplicas === replicas && status?.updatedReplicas === replicas && status?.replicas === replicas;
    },
  };
}

test('a deployment comes up, rolls out, scales both ways, and its endpoints follow', { timeout: 60_000 }, async (t) => {
  const { transport, pods, rolledOut } = await world(t);
  await simulateNode(t, transport, 'n1');
  await simulateNode(t, transport, 'n2');
  const deployments = resourceClient(transport, DEPLOYMENT);
  const ref = { namespace: 'default', name: 'web' };
  await resourceClient(transport, SERVICE).create({ apiVersion: 'v1', kind: 'Service', metadata: ref, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
  await deployments.create(deployment('web', 6));
  await eventually('the first rollout', () => rolledOut('web', 6));
  assert.deepEqual([...new Set((await pods()).map((pod) => String(pod.spec?.nodeName)))].sort(), ['n1', 'n2']);
  const addresses = async (): Promise<number> => (await resourceClient(transport, ENDPOINT_SLICE).list({ namespace: 'default' })).items.flatMap((slice) => (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready)).length;
  await eventually('six endpoints', async () => (await addresses()) === 6);

  await deployments.update({ ...deployment('web', 6, 'web:2') });
  await eventually('the second rollout', () => rolledOut('web', 6));
  assert.deepEqual([...new Set((await pods()).map((pod) => pod.spec?.containers[0]?.image))], ['web:2']);
  assert.equal((await resourceClient(transport, REPLICA_SET).list({ namespace: 'default' })).items.length, 2);
  await deployments.scale(ref, 150);
  await eventually('150 replicas', () => rolledOut('web', 150));
  await eventually('150 endpoints', async () => (await addresses()) === 150);
  await deployments.scale(ref, 1);
  await eventually('one replica', async () => (await rolledOut('web', 1)) && (await pods()).length === 1);
});

test('what an owner leaves behind goes with it, waits for it, or stays, as the delete said', { timeout: 60_000 }, async (t) => {
  const { transport, pods, rolledOut } = await world(t);
  await simulateNode(t, transport, 'n1');
  const deployments = resourceClient(transport, DEPLOYMENT);
  const sets = resourceClient(transport, REPLICA_SET);
  for (const name of ['background', 'foreground', 'orphan']) await deployments.create(deployment(name, 2));
  for (const name of ['background', 'foreground', 'orphan']) await eventually(name, () => rolledOut(name, 2));

  await deployments.delete({ namespace: 'default', name: 'background' }, { propagationPolicy: 'Background' });
  assert.equal(await deployments.find({ namespace: 'default', name: 'background' }), undefined);
  await eventually('its pods gone', async () => (await pods('app=background')).length === 0);

  const marked = await deployments.delete({ namespace: 'default', name: 'foreground' }, { propagationPolicy: 'Foreground' });
  assert.deepEqual(marked?.metadata.finalizers, ['foregroundDeletion']);
  await eventually('all of it gone', async () => (await deployments.find({ namespace: 'default', name: 'foreground' })) === undefined);
  assert.equal((await sets.list({ namespace: 'default', labelSelector: 'app=foreground' })).items.length, 0);

  await deployments.delete({ namespace: 'default', name: 'orphan' }, { propagationPolicy: 'Orphan' });
  await eventually('the deployment alone gone', async () => (await deployments.find({ namespace: 'default', name: 'orphan' })) === undefined);
  const [left] = (await sets.list({ namespace: 'default', labelSelector: 'app=orphan' })).items;
  assert.deepEqual(left?.metadata.ownerReferences ?? [], []);
  assert.equal((await pods('app=orphan')).length, 2);

  // A deployment with the same selector takes the orphan up, pods and all.
  const before = (await pods('app=orphan')).map((pod) => String(pod.metadata.uid)).sort();
  await deployments.create(deployment('orphan', 2));
  await eventually('adopted', () => rolledOut('orphan', 2));
  assert.deepEqual((await pods('app=orphan')).map((pod) => String(pod.metadata.uid)).sort(), before);
});

test('a pod that no longer matches is let go and replaced, one that matches and is nobody\'s is taken', { timeout: 60_000 }, async (t) => {
  const { transport, pods, rolledOut } = await world(t);
  await simulateNode(t, transport, 'n1');
  await resourceClient(transport, DEPLOYMENT).create(deployment('web', 2));
  await eventually('two', () => rolledOut('web', 2));
  const [freed] = await pods('app=web');
  await resourceClient(transport, POD).patch({ namespace: 'default', name: freed?.metadata.name ?? '' }, { type: 'merge', body: { metadata: { labels: { app: 'debug' } } } });
  await eventually('its replacement', async () => (await pods('app=web')).length === 2 && ((await pods('app=debug'))[0]?.metadata.ownerReferences ?? []).length === 0);
  await resourceClient(transport, POD).patch({ namespace: 'default', name: freed?.metadata.name ?? '' }, { type: 'merge', body: { metadata: { labels: { app: 'web' } } } });
  await eventually('back to two', async () => (await pods('app=web')).filter((pod) => pod.metadata.deletionTimestamp === undefined).length === 2);
});

test('a namespace goes with everything in it', { timeout: 60_000 }, async (t) => {
  const { transport } = await world(t);
  await simulateNode(t, transport, 'n1');
  const namespaces = resourceClient(transport, NAMESPACE);
  await namespaces.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
  await resourceClient(transport, DEPLOYMENT).create(deployment('web', 3, 'web:1', 'team'));
  await resourceClient(transport, CONFIG_MAP).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'team' } });
  await eventually('its pods', async () => (await resourceClient(transport, POD).list({ namespace: 'team' })).items.length === 3);
  await namespaces.delete({ name: 'team' });
  await eventually('the namespace gone', async () => namespaces.get({ name: 'team' }).then(() => false, isNotFound));
  for (const kind of [POD, DEPLOYMENT, CONFIG_MAP, EVENT]) assert.equal((await resourceClient(transport, kind as typeof POD).list({ namespace: 'team' })).items.length, 0);
});

test('pods of a node that falls silent are replaced elsewhere; those of a node that is deleted are removed', { timeout: 60_000 }, async (t) => {
  const { transport, pods, rolledOut } = await world(t);
  const doomed = await simulateNode(t, transport, 'n1');
  await simulateNode(t, transport, 'n2');
  await resourceClient(transport, DEPLOYMENT).create(deployment('web', 4));
  await eventually('four', () => rolledOut('web', 4));
  doomed.fallSilent();
  const alive = async (): Promise<readonly Pod[]> => (await pods()).filter((pod) => pod.metadata.deletionTimestamp === undefined);
  await eventually('all on n2', async () => (await alive()).length === 4 && (await alive()).every((pod) => pod.spec?.nodeName === 'n2'));
  const node = await resourceClient(transport, NODE).get({ name: 'n1' });
  assert.equal(node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status, 'Unknown');
  assert.ok((await pods()).some((pod) => pod.spec?.nodeName === 'n1'));
  await resourceClient(transport, NODE).delete({ name: 'n1' });
  await eventually('nothing of n1', async () => (await pods()).every((pod) => pod.spec?.nodeName === 'n2'));
});

test('a pod that fits nowhere says why, and is placed when a node comes', { timeout: 60_000 }, async (t) => {
  const { transport, pods, rolledOut } = await world(t);
  await resourceClient(transport, DEPLOYMENT).create(deployment('web', 1));
  await eventually('the reason', async () => (await pods())[0]?.status?.conditions?.some((condition) => condition.type === 'PodScheduled' && condition.message === 'no nodes available to schedule pods') === true);
  await simulateNode(t, transport, 'n1');
  await eventually('placed', () => rolledOut('web', 1));
});
