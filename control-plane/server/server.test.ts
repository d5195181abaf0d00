// The API over both of its ways in: a socket with TLS, and in process. Every test runs on each; what is the socket's own comes after.

import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isApiError, isBadRequest, isConflict, isExpired, isForbidden, isInvalid, isNotFound, isUnauthorized } from '@copepod/api/errors';
import { type ConfigMap, CONFIG_MAP, DEPLOYMENT, type Deployment, KINDS, LEASE, NODE, POD, type Pod } from '@copepod/api/kinds';
import type { KubeObject } from '@copepod/api/meta';
import { createHttpsTransport, expectOk, isTransportError, loadKubeconfig, resourceClient, type Transport } from '@copepod/client/rest';
import { ADMIN, nodeUser } from '../main.ts';
import { startTestPlane, type TestPlane } from '../testing.ts';

type Open = (plane: TestPlane, t: TestContext) => Promise<Transport>;

const overTls: Open = async (plane, t) => {
  const config = await loadKubeconfig(plane.kubeconfig);
  const transport = createHttpsTransport(config);
  t.after(() => transport.close());
  return transport;
};
const inProcess: Open = async (plane) => plane.transportFor(ADMIN);

const configMap = (name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', labels }, data });
const deployment = (name: string): Deployment => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' },
  spec: { replicas: 2, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } } },
});

for (const [name, open] of [['over TLS', overTls], ['in process', inProcess]] as const) {
  test(`${name}: every kind is listed, watched and discovered`, async (t) => {
    const plane = await startTestPlane(t);
    const transport = await open(plane, t);
    for (const kind of KINDS) {
      const list = await resourceClient(transport, kind).list();
      assert.equal(list.kind, `${kind.kind}List`);
      assert.match(list.metadata.resourceVersion ?? '', /^\d+$/);
      const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`;
      const { resources } = expectOk(await transport.request({ method: 'GET', path: root })) as { resources: { name: string }[] };
      for (const resource of [kind.plural, ...kind.subresources.map((sub) => `${kind.plural}/${sub}`)]) assert.ok(resources.some((known) => known.name === resource), resource);
    }
    for (const path of ['/version', '/healthz', '/livez', '/readyz', '/api', '/apis', '/apis/apps', '/openapi/v2', '/openapi/v3', '/openapi/v3/apis/apps/v1']) assert.equal((await transport.request({ method: 'GET', path })).status, 200, path);
    assert.deepEqual(plane.errors, []);
  });

  test(`${name}: an object is made, read, changed, patched in three ways, and deleted`, async (t) => {
    const transport = await open(await startTestPlane(t), t);
    const client = resourceClient(transport, CONFIG_MAP);
    const ref = { namespace: 'default', name: 'a' };
    const made = await client.create(configMap('a', { x: '1' }));
    await assert.rejects(client.create(configMap('a')), (error) => isApiError(error, 'AlreadyExists'));
    const changed = await client.update({ ...made, data: { x: '2' } });
    await assert.rejects(client.update({ ...made, data: { x: '3' } }), isConflict);
    assert.equal(changed.metadata.uid, made.metadata.uid);
    assert.deepEqual((await client.patch(ref, { type: 'merge', body: { data: { y: '1' } } })).data, { x: '2', y: '1' });
    assert.deepEqual((await client.patch(ref, { type: 'json', body: [{ op: 'remove', path: '/data/x' }] })).data, { y: '1' });
    assert.deepEqual((await client.patch(ref, { type: 'strategic', body: { data: { z: '1' } } })).data, { y: '1', z: '1' });
    await assert.rejects(client.patch(ref, { type: 'merge', body: { metadata: { resourceVersion: '1' }, data: {} } }), isConflict);
    assert.equal(await client.delete(ref), undefined);
    await assert.rejects(client.get(ref), isNotFound);
    assert.equal(await client.find(ref), undefined);
  });

  test(`${name}: what is wrong is told apart by its reason and its field`, async (t) => {
    const transport = await open(await startTestPlane(t), t);
    const client = resourceClient<KubeObject>(transport, { ...DEPLOYMENT, object: undefined } as never);
    const bad = (change: object): KubeObject => ({ ...deployment('d'), ...change });
    await assert.rejects(client.create(bad({ spec: { ...deployment('d').spec, replica: 1 } }), { fieldValidation: 'Strict' }), (error) => isBadRequest(error) && error.details?.causes?.[0]?.field === 'spec.replica');
    await assert.rejects(client.create(bad({ spec: { ...deployment('d').spec, replicas: 'two' } })), (error) => isInvalid(error) && error.details?.causes?.[0]?.field === 'spec.replicas');
    await assert.rejects(client.create(bad({ kind: 'ReplicaSet' })), isBadRequest);
    await assert.rejects(client.create(bad({ metadata: { name: 'No Good', namespace: 'default' } })), isInvalid);
    await assert.rejects(client.create(bad({ metadata: { name: 'd', namespace: 'nowhere' } })), isNotFound);
    await assert.rejects(client.list({ labelSelector: '(' }), isBadRequest);
    await assert.rejects(client.list({ fieldSelector: 'spec.colour=red' }), isBadRequest);
    assert.equal((await transport.request({ method: 'GET', path: '/apis/apps/v1/frobs' })).status, 404);
    assert.equal((await transport.request({ method: 'POST', path: '/api/v1/namespaces/default/pods/x/log', body: {} })).status, 405);
    // Lenient validation keeps what it knows and drops the rest.
    const lenient = await client.create(bad({ spec: { ...deployment('d').spec, replica: 1 } }), { fieldValidation: 'Ignore' });
    assert.equal((lenient['spec'] as Record<string, unknown>)['replica'], undefined);
  });

  test(`${name}: selectors choose, pages follow each other, deletion goes by both`, async (t) => {
    const plane = await startTestPlane(t);
    const transport = await open(plane, t);
    const client = resourceClient(transport, CONFIG_MAP);
    for (const [index, tier] of ['a', 'b', 'a', 'b', 'a'].entries()) await client.create(configMap(`m${index}`, {}, { tier }));
    assert.equal((await client.list({ namespace: 'default', labelSelector: 'tier=a' })).items.length, 3);
    assert.deepEqual((await client.list({ namespace: 'default', fieldSelector: 'metadata.name=m1' })).items.map((item) => item.metadata.name), ['m1']);
    const first = await client.list({ namespace: 'default', limit: 2 });
    assert.equal(first.metadata.remainingItemCount, 3);
    const second = await client.list({ namespace: 'default', limit: 2, continue: first.metadata.continue });
    assert.deepEqual([...first.items, ...second.items].map((item) => item.metadata.name), ['m0', 'm1', 'm2', 'm3']);
    await client.delete({ namespace: 'default', name: 'm4' });
    await client.create(configMap('m1a', {}, { tier: 'a' }));
    const third = await client.list({ namespace: 'default', limit: 2, continue: second.metadata.continue });
    assert.deepEqual([third.items.map((item) => item.metadata.name), third.metadata.resourceVersion, third.metadata.continue], [['m4'], first.metadata.resourceVersion, undefined]);
    await client.delete({ namespace: 'default', name: 'm1a' });
    await plane.storage.compact(await plane.storage.revision());
    await assert.rejects(client.list({ namespace: 'default', limit: 2, continue: second.metadata.continue }), isExpired);
    await client.deleteCollection({ namespace: 'default', labelSelector: 'tier=a' });
    assert.deepEqual((await client.list({ namespace: 'default' })).items.map((item) => item.metadata.name), ['m1', 'm3']);
  });

  test(`${name}: a watch tells what is there, then each change, as its selector sees it`, async (t) => {
    const plane = await startTestPlane(t);
    const transport = await open(plane, t);
    const client = resourceClient(transport, CONFIG_MAP);
    await client.create(configMap('old', {}, { on: 'yes' }));
    const stop = new AbortController();
    const seen: string[] = [];
    const done = (async () => {
      for await (const event of client.watch({ namespace: 'default', labelSelector: 'on=yes', signal: stop.signal })) {
        seen.push(`${event.type} ${event.object.metadata.name}`);
        if (seen.length === 5) break;
      }
    })();
    while (seen.length < 1) await new Promise((resolve) => setImmediate(resolve));
    await client.create(configMap('other'));
    await client.create(configMap('new', {}, { on: 'yes' }));
    await client.patch({ namespace: 'default', name: 'new' }, { type: 'merge', body: { data: { a: 'b' } } });
    await client.patch({ namespace: 'default', name: 'old' }, { type: 'merge', body: { metadata: { labels: { on: 'no' } } } });
    await client.delete({ namespace: 'default', name: 'new' });
    await done;
    stop.abort();
    assert.deepEqual(seen, ['ADDED old', 'ADDED new', 'MODIFIED new', 'DELETED old', 'DELETED new']);
  });

  test(`${name}: a watch goes on from a version, and is told when that is too old`, async (t) => {
    const plane = await startTestPlane(t);
    const transport = await open(plane, t);
    const client = resourceClient(transport, CONFIG_MAP);
    const made = await client.create(configMap('a'));
    await client.patch({ namespace: 'default', name: 'a' }, { type: 'merge', body: { data: { n: '1' } } });
    for await (const event of client.watch({ namespace: 'default', resourceVersion: made.metadata.resourceVersion })) {
      assert.deepEqual([event.type, event.object.data], ['MODIFIED', { n: '1' }]);
      break;
    }
    await plane.close();
    const again = await startTestPlane(t, { dataDir: plane.folder });
    const later = resourceClient(await open(again, t), CONFIG_MAP);
    for await (const event of later.watch({ namespace: 'default', resourceVersion: made.metadata.resourceVersion })) {
      assert.deepEqual([event.type, event.object.data], ['MODIFIED', { n: '1' }]);
      break;
    }
    await again.storage.compact(await again.storage.revision());
    await assert.rejects(async () => {
      for await (const event of later.watch({ resourceVersion: made.metadata.resourceVersion })) assert.fail(event.type);
    }, isExpired);
  });

  test(`${name}: scale and status are subresources; binding places a pod once`, async (t) => {
    const transport = await open(await startTestPlane(t), t);
    const client = resourceClient(transport, DEPLOYMENT);
    const ref = { namespace: 'default', name: 'd' };
    await client.create(deployment('d'));
    assert.equal((await client.scale(ref, 0)).spec.replicas, 0);
    assert.equal((await client.get(ref)).spec.replicas, 0);
    assert.equal((await client.getScale(ref)).status?.selector, 'app=d');
    const pods = resourceClient(transport, POD);
    await pods.create({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default' }, spec: { containers: [{ name: 'c', image: 'i' }] } });
    const binding = (node: string): Promise<unknown> => pods.createSubresource({ namespace: 'default', name: 'p' }, 'binding', { target: { kind: 'Node', name: node } });
    await binding('n1');
    await assert.rejects(binding('n2'), isConflict);
    const pod: Pod = await pods.get({ namespace: 'default', name: 'p' });
    assert.equal(pod.spec?.nodeName, 'n1');
    assert.equal(pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled')?.status, 'True');
    await assert.rejects(pods.update({ ...pod, spec: { containers: [{ name: 'c', image: 'i' }], nodeName: 'n2' } }), isInvalid);
  });

  test(`${name}: a Table is made of the columns of the kind`, async (t) => {
    const transport = await open(await startTestPlane(t), t);
    await resourceClient(transport, CONFIG_MAP).create(configMap('a', { x: '1' }));
    const table = expectOk(await transport.request({ method: 'GET', path: '/api/v1/namespaces/default/configmaps', accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })) as { kind: string; columnDefinitions: { name: string }[]; rows: { cells: unknown[]; object: { kind: string } }[] };
    assert.deepEqual(table.columnDefinitions.map((column) => column.name), ['Name', 'Data', 'Age']);
    assert.deepEqual(table.rows[0]?.cells.slice(0, 2), ['a', 1]);
    assert.equal(table.rows[0]?.object.kind, 'PartialObjectMetadata');
  });
}

test('a node may write what is its own and nothing else', async (t) => {
  const plane = await startTestPlane(t);
  const admin = plane.transportFor(ADMIN);
  const node = plane.transportFor(nodeUser('n1'));
  const pod = (name: string, nodeName: string): Pod => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec: { nodeName, containers: [{ name: 'c', image: 'i' }] } });
  await resourceClient(admin, POD).create(pod('mine', 'n1'));
  await resourceClient(admin, POD).create(pod('theirs', 'n2'));
  const pods = resourceClient(node, POD);
  assert.equal((await pods.updateStatus({ ...(await pods.get({ namespace: 'default', name: 'mine' })), status: { phase: 'Running' } })).status?.phase, 'Running');
  await assert.rejects(pods.updateStatus({ ...(await pods.get({ namespace: 'default', name: 'theirs' })), status: { phase: 'Running' } }), isForbidden);
  await assert.rejects(pods.create(pod('new', 'n1')), isForbidden);
  await assert.rejects(pods.delete({ namespace: 'default', name: 'theirs' }), isForbidden);
  await resourceClient(node, NODE).create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  await assert.rejects(resourceClient(node, NODE).create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n2' } }), isForbidden);
  const lease = (name: string, namespace: string): Promise<unknown> => resourceClient(node, LEASE).create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace } });
  await lease('n1', 'kube-node-lease');
  await assert.rejects(lease('n2', 'kube-node-lease'), isForbidden);
  await assert.rejects(lease('n1', 'default'), isForbidden);
  await assert.rejects(resourceClient(node, DEPLOYMENT).list(), isForbidden);
});

test('whoever has no certificate of the cluster sees only that it lives', async (t) => {
  const plane = await startTestPlane(t);
  const { ca } = await loadKubeconfig(plane.kubeconfig);
  const stranger = createHttpsTransport({ server: plane.apiUrl, ca });
  t.after(() => stranger.close());
  assert.equal((await stranger.request({ method: 'GET', path: '/livez' })).status, 200);
  await assert.rejects(resourceClient(stranger, POD).list(), isUnauthorized);
  assert.equal((await stranger.request({ method: 'PUT', path: '/copepod/v1/artifacts/a/b', body: new Uint8Array(8) })).status, 403);
});

test('a kubeconfig of another cluster is said to be one', async (t) => {
  const [one, other] = [await startTestPlane(t), await startTestPlane(t)];
  const foreign = await loadKubeconfig(one.kubeconfig);
  const transport = createHttpsTransport({ ...foreign, server: other.apiUrl });
  t.after(() => transport.close());
  await assert.rejects(transport.request({ method: 'GET', path: '/api/v1/pods' }), (error) => isTransportError(error, 'UntrustedServer') && error.hint?.includes('another cluster') === true);
});

test('HTTP/2 is spoken', async (t) => {
  const plane = await startTestPlane(t);
  const { ca, cert, key } = await loadKubeconfig(plane.kubeconfig);
  const session = connect(plane.apiUrl, { ca: ca ?? '', cert: cert ?? '', key: key ?? '' });
  t.after(() => session.close());
  const stream = session.request({ ':path': '/api/v1/namespaces/default' });
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  assert.equal((JSON.parse(body) as KubeObject).metadata.name, 'default');
});

test('a body that cannot be read is refused with what is wrong', async (t) => {
  const plane = await startTestPlane(t);
  const transport = await overTls(plane, t);
  const post = async (body: string, contentType: string): Promise<number> => (await transport.request({ method: 'POST', path: '/api/v1/namespaces/default/configmaps', body, contentType })).status;
  assert.equal(await post('{', 'application/json'), 400);
  assert.equal(await post('a: [', 'application/yaml'), 400);
  assert.equal(await post('"text"', 'application/json'), 400);
  assert.equal(await post(`{"x":"${'y'.repeat(4_000_000)}"}`, 'application/json'), 413);
  assert.equal(await post('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\n', 'application/yaml'), 201);
  assert.deepEqual(plane.errors, []);
});

test('a pushed component is kept by its digest, and a wrong digest keeps nothing', async (t) => {
  const plane = await startTestPlane(t);
  const transport = await overTls(plane, t);
  const bytes = new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);
  const push = (body: Uint8Array, query: Record<string, string> = {}): ReturnType<Transport['request']> => transport.request({ method: 'PUT', path: '/copepod/v1/artifacts/team/web/v1', body, query, contentType: 'application/wasm' });
  assert.equal((await push(bytes, { digest: `sha256:${'0'.repeat(64)}` })).status, 400);
  assert.equal((await push(new TextEncoder().encode('not wasm'))).status, 400);
  assert.equal((await transport.request({ method: 'GET', path: '/copepod/v1/artifacts/team/web/manifests/v1' })).status, 404);
  const { digest } = expectOk(await push(bytes)) as { digest: string };
  assert.deepEqual(expectOk(await transport.request({ method: 'GET', path: '/copepod/v1/artifacts/team/web/manifests/v1' })), { digest, size: 8 });
  const parts: Uint8Array[] = [];
  for await (const chunk of transport.stream({ method: 'GET', path: `/copepod/v1/artifacts/blobs/${digest}` })) parts.push(chunk);
  assert.deepEqual(new Uint8Array(Buffer.concat(parts)), bytes);
  assert.equal((await transport.request({ method: 'PUT', path: '/copepod/v1/artifacts/..%2F..%2Fetc/x', body: bytes })).status, 400);
});

test('the directory has one owner, whose name a second one is told', async (t) => {
  const plane = await startTestPlane(t);
  await assert.rejects(startTestPlane(t, { dataDir: plane.folder }), (error) => (error as { code?: string }).code === 'Locked' && String(error).includes(String(process.pid)));
  assert.match(readFileSync(join(plane.folder, 'kubeconfig'), 'utf8'), /certificate-authority-data/);
});
