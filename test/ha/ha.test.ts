// Three masters on one etcd: all of them serve, any one may go, and only one leads.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { CONFIG_MAP, DEPLOYMENT, type Lease, LEASE, REPLICA_SET, type Service, SERVICE } from '@copepod/api/kinds';
import { isNotFound } from '@copepod/api/errors';
import { createFailoverTransport, resourceClient, type Transport } from '@copepod/client/rest';
import { eventually, temporary, withoutKubectl } from '../cluster.ts';
import { type Master, type Masters, startForward, startMasters, withoutEtcd } from './masters.ts';

const ROLES = ['copepod-controller-manager', 'copepod-scheduler'];

async function world(t: TestContext): Promise<Masters> {
  const masters = await startMasters({ folder: temporary(t) });
  t.after(() => masters.close());
  return masters;
}

async function transports(t: TestContext, masters: readonly Master[]): Promise<readonly Transport[]> {
  const all = await Promise.all(masters.map((master) => master.transport()));
  t.after(() => Promise.all(all.map((transport) => transport.close())));
  return all;
}

const configMap = (name: string, value: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: default}\ndata: {value: "${value}"}\n`;
const deployment = (name: string): object => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' }, spec: { replicas: 1, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'web:1' }] } } } });

async function holder(transport: Transport, role: string): Promise<Lease> {
  return resourceClient(transport, LEASE).get({ namespace: 'kube-system', name: role });
}

/** The master whose log says it leads and has not stopped. */
async function leader(transport: Transport, masters: readonly Master[], role: string): Promise<Master> {
  return eventually(`a leader of ${role}`, async () => {
    const identity = (await holder(transport, role)).spec?.holderIdentity ?? '';
    return masters.find((master) => identity !== '' && master.output().includes(identity));
  }, (found) => found !== undefined, 20_000) as Promise<Master>;
}

test('a write through one master is read through every other at once', { skip: withoutEtcd, timeout: 120_000 }, async (t) => {
  const { masters } = await world(t);
  const all = await transports(t, masters);
  for (let round = 0; round < 30; round += 1) {
    const [writer, reader] = [all[round % 3], all[(round + 1) % 3]];
    assert.ok(writer !== undefined && reader !== undefined);
    const ref = { namespace: 'default', name: `map-${round}` };
    const made = await resourceClient(writer, CONFIG_MAP).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: ref, data: { round: String(round) } });
    assert.equal((await resourceClient(reader, CONFIG_MAP).get(ref)).metadata.resourceVersion, made.metadata.resourceVersion);
    assert.ok((await resourceClient(reader, CONFIG_MAP).list({ namespace: 'default' })).items.some((item) => item.metadata.name === ref.name));
    await resourceClient(reader, CONFIG_MAP).delete(ref);
    await assert.rejects(resourceClient(writer, CONFIG_MAP).get(ref), isNotFound);
  }
});

test('a watch goes on at another master from where it was, missing nothing and telling nothing twice', { skip: withoutEtcd, timeout: 120_000 }, async (t) => {
  const { masters } = await world(t);
  const [first, second] = await transports(t, masters);
  assert.ok(first !== undefined && second !== undefined);
  const maps = resourceClient(second, CONFIG_MAP);
  const start = (await resourceClient(first, CONFIG_MAP).list({ namespace: 'default' })).metadata.resourceVersion ?? '';
  const heard: string[] = [];
  const follow = async (transport: Transport, from: string, count: number): Promise<string> => {
    let version = from;
    for await (const event of resourceClient(transport, CONFIG_MAP).watch({ namespace: 'default', resourceVersion: version })) {
      heard.push(`${event.type} ${event.object.metadata.name}`);
      version = event.object.metadata.resourceVersion ?? '';
      if (heard.length >= count) break;
    }
    return version;
  };
  const making = (async () => {
    for (let index = 0; index < 40; index += 1) await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name: `m${index}` } });
  })();
  const version = await follow(first, start, 15);
  await follow(second, version, 40);
  await making;
  assert.deepEqual(heard, Array.from({ length: 40 }, (_, index) => `ADDED m${index}`));
});

test('addresses and ports handed out by three masters at once are all different', { skip: withoutEtcd, timeout: 120_000 }, async (t) => {
  const { masters } = await world(t);
  const all = await transports(t, masters);
  const made = await Promise.all(Array.from({ length: 45 }, (_, index) => {
    const transport = all[index % 3];
    assert.ok(transport !== undefined);
    return resourceClient(transport, SERVICE).create({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'default', name: `s${index}` }, spec: { type: 'NodePort', selector: { app: 'x' }, ports: [{ port: 80 }] } });
  }));
  assert.equal(new Set(made.map((service) => service.spec?.clusterIP)).size, 45);
  assert.equal(new Set(made.map((service) => service.spec?.ports?.[0]?.nodePort)).size, 45);
  const ask = (name: string, index: number): Promise<Service> => resourceClient(all[index] as Transport, SERVICE).create({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'default', name }, spec: { clusterIP: '127.96.7.7', selector: { app: 'x' }, ports: [{ port: 80 }] } });
  const outcomes = await Promise.allSettled([ask('a', 0), ask('b', 1), ask('c', 2)]);
  assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
});

test('a component pushed to one master is had from every other, also when that one is gone', { skip: withoutEtcd, timeout: 120_000 }, async (t) => {
  const { masters } = await world(t);
  await eventually('every master to know the others', () => masters.map(({ kubeconfig }) => readFileSync(kubeconfig, 'utf8').match(/name: copepod-3$/m) !== null), (known) => known.every(Boolean));
  const [first, second, third] = await transports(t, masters);
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const body = Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), Buffer.alloc(100_000, 7)]);
  const pushed = await first.request({ method: 'PUT', path: '/copepod/v1/artifacts/team/web/v1', body, contentType: 'application/wasm' });
  assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
  await masters[0]?.kill();
  for (const transport of [second, third]) {
    const { body: manifest } = await transport.request({ method: 'GET', path: '/copepod/v1/artifacts/team/web/manifests/v1' });
    assert.deepEqual(manifest, pushed.body);
    const chunks: Uint8Array[] = [];
    for await (const chunk of transport.stream({ method: 'GET', path: `/copepod/v1/artifacts/blobs/${(manifest as { digest: string }).digest}`, accept: '*/*' })) chunks.push(chunk);
    assert.deepEqual(Buffer.concat(chunks), body);
  }
});

test('kubectl apply keeps succeeding while each master in turn is killed and comes back', { skip: withoutEtcd || withoutKubectl, timeout: 240_000 }, async (t) => {
  const cluster = await world(t);
  const forward = await startForward(cluster.masters);
  t.after(() => forward.close());
  let round = 0;
  const apply = (what: string): void => {
    round += 1;
    const { code, stderr } = forward.kubectl(configMap(`apply-${round % 7}`, String(round)), 'apply', '-f', '-');
    assert.equal(code, 0, `${what}: ${stderr}`);
  };
  apply('all there');
  for (const [index, master] of cluster.masters.entries()) {
    await master.kill();
    for (let count = 0; count < 3; count += 1) apply(`${master.name} is gone`);
    cluster.masters[index] = await cluster.start(master.name, Number(new URL(master.url).port));
    apply(`${master.name} is back`);
  }
  const { stdout } = forward.kubectl(undefined, 'get', 'configmap', `apply-${round % 7}`, '-o', 'jsonpath={.data.value}');
  assert.equal(stdout, String(round));
});

test('controllers go on at another master when their leader is killed', { skip: withoutEtcd, timeout: 240_000 }, async (t) => {
  const cluster = await world(t);
  const all = await transports(t, cluster.masters);
  const transport = createFailoverTransport(all);
  for (const role of ROLES) await leader(transport, cluster.masters, role);
  const doomed = await leader(transport, cluster.masters, 'copepod-controller-manager');
  await doomed.kill();
  await resourceClient(transport, DEPLOYMENT).create(deployment('after') as never);
  await eventually('a replica set', async () => (await resourceClient(transport, REPLICA_SET).list({ namespace: 'default' })).items, (items) => items.length === 1, 30_000);
  const now = await holder(transport, 'copepod-controller-manager');
  assert.ok(!doomed.output().includes(now.spec?.holderIdentity ?? 'none'));
  assert.ok((now.spec?.leaseTransitions ?? 0) >= 1);
});

test('a leader that slept through its end is refused by the store when it wakes', { skip: withoutEtcd, timeout: 240_000 }, async (t) => {
  const cluster = await world(t);
  const all = await transports(t, cluster.masters);
  const role = 'copepod-controller-manager';
  const [any] = all;
  assert.ok(any !== undefined);
  const sleeper = await leader(any, cluster.masters, role);
  const awake = all[cluster.masters.findIndex((master) => master !== sleeper)];
  assert.ok(awake !== undefined);
  // It has much to write when it is stopped, and tries to when it wakes.
  const making = Array.from({ length: 40 }, (_, index) => resourceClient(awake, DEPLOYMENT).create(deployment(`busy-${index}`) as never));
  await Promise.all(making.slice(0, 10));
  sleeper.signal('SIGSTOP');
  await Promise.all(making);
  const next = await eventually('another leader', async () => holder(awake, role), (lease) => {
    const identity = lease.spec?.holderIdentity ?? '';
    return identity !== '' && cluster.masters.some((master) => master !== sleeper && master.output().includes(`"${identity}"`) && master.output().includes('this server leads'));
  }, 30_000);
  for (let index = 40; index < 50; index += 1) await resourceClient(awake, DEPLOYMENT).create(deployment(`busy-${index}`) as never);
  sleeper.signal('SIGCONT');
  await eventually('the sleeper to know', () => sleeper.output(), (text) => new RegExp(`leads no longer.*${role}`).test(text), 30_000);
  assert.match(sleeper.output(), /another server leads now: this write was refused/);
  await eventually('one replica set of each', async () => (await resourceClient(awake, REPLICA_SET).list({ namespace: 'default' })).items, (items) => items.length === 50, 30_000);
  const owners = (await resourceClient(awake, REPLICA_SET).list({ namespace: 'default' })).items.map((item) => item.metadata.ownerReferences?.[0]?.uid);
  assert.equal(new Set(owners).size, 50);
  assert.equal((await holder(awake, role)).spec?.holderIdentity, next.spec?.holderIdentity);
});
