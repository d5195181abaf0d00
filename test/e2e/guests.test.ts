// Components that cannot run or misbehave: the reason is in the pod's status, restarts are counted, neighbours are unharmed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createHash } from 'node:crypto';
import { type Cluster, COPEPOD, eventually, example, guest, startCluster, temporary } from '../cluster.ts';

interface PodView {
  readonly waiting: string | undefined;
  readonly message: string | undefined;
  readonly last: string | undefined;
  readonly restarts: number;
  readonly ready: boolean;
}

function view(cluster: Cluster, selector: string): PodView {
  const { stdout } = cluster.copepod('get', 'pods', '-l', selector, '-o', 'json');
  const { items } = JSON.parse(stdout) as { items: { status: { containerStatuses?: { ready: boolean; restartCount: number; state: { waiting?: { reason: string; message?: string } }; lastState: { terminated?: { reason: string } } }[] } }[] };
  const status = items[0]?.status.containerStatuses?.[0];
  return { waiting: status?.state.waiting?.reason, message: status?.state.waiting?.message, last: status?.lastState.terminated?.reason, restarts: status?.restartCount ?? 0, ready: status?.ready ?? false };
}

/** A pod, and a Service in front of it. */
function apply(cluster: Cluster, name: string, image: string, annotations: Readonly<Record<string, string>> = {}): void {
  const manifest = join(cluster.folder, `${name}.yaml`);
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name }, annotations }, spec: { containers: [{ name, image, resources: { limits: { memory: '16Mi' } } }] } };
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { app: name }, ports: [{ port: 8081 }] } };
  writeFileSync(manifest, `${JSON.stringify(pod)}\n---\n${JSON.stringify(service)}\n`);
  const done = cluster.copepod('apply', '-f', manifest);
  assert.equal(done.code, 0, done.stderr);
}

test('what cannot run says why in the status of its pod, and its neighbours go on', { timeout: 180_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  assert.equal(cluster.copepod('deploy', example('hello-tiny')).code, 0);
  const at = (name: string): string => join(cluster.folder, name);
  writeFileSync(at('text.wasm'), 'not wasm');
  copyFileSync(example('hello-tiny'), at('cut.wasm'));
  truncateSync(at('cut.wasm'), 3000);
  // A core module: magic and version 1.
  writeFileSync(at('core.wasm'), Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
  const layout = ociLayout(at('layout'), readFileSync(example('hello-tiny')), '0'.repeat(64));

  const cases = [
    ['text', `file://${at('text.wasm')}`, 'NotWasm', /does not begin with/],
    ['cut', `file://${at('cut.wasm')}`, 'Truncated', /ends early, at 3000 bytes/],
    ['core', `file://${at('core.wasm')}`, 'NotAComponent', /core module/],
    ['stranger', `file://${guest('stranger')}`, 'UnsupportedImport', /copepod:guests\/nowhere/],
    ['idle', `file://${guest('idle')}`, 'NoEntryPoint', /exports none of/],
    ['absent', `file://${at('absent.wasm')}`, 'ErrImagePull', /cannot be read/],
    ['unknown', 'unknown:latest', 'ErrImagePull', /no component unknown:latest is in the store/],
    ['nonsense', 'UPPER CASE', 'InvalidImageName', /couldn't read the image/],
    ['digest', `oci://${layout}:latest`, 'ErrImagePull', /wrong digest/],
  ] as const;
  for (const [name, image] of cases) apply(cluster, name, image);
  for (const [name, , reason, message] of cases) {
    const seen = await eventually(`${name}: ${reason}`, () => view(cluster, `app=${name}`), (pod) => pod.waiting === reason);
    assert.match(seen.message ?? '', message);
    assert.equal(seen.ready, false);
  }
  assert.deepEqual(await cluster.service('hello-tiny'), { status: 200, body: 'hello from copepod\n' });
});

test('an OCI layout is read, by tag', { timeout: 60_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const bytes = readFileSync(example('hello-tiny'));
  const layout = ociLayout(join(cluster.folder, 'layout'), bytes, createHash('sha256').update(bytes).digest('hex'));
  apply(cluster, 'tiny', `oci://${layout}:latest`);
  await eventually('the pod', () => view(cluster, 'app=tiny'), (pod) => pod.ready);
});

test('a guest that traps, eats memory or never answers is ended with its reason, counted, and leaves its neighbours alone', { timeout: 180_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  assert.equal(cluster.copepod('deploy', example('hello-tiny')).code, 0);
  for (const name of ['trap', 'bomb']) assert.equal(cluster.copepod('deploy', guest(name), '--memory', '16Mi', '--no-wait').code, 0);
  apply(cluster, 'spin', `file://${guest('spin')}`, { 'copepod.dev/request-timeout': '1s' });
  await eventually('spin', () => view(cluster, 'app=spin'), (pod) => pod.ready);
  for (const [name, status, words, reason] of [['trap', 502, /^Trap: .*unreachable/, 'Trap'], ['bomb', 502, /^OOMKilled: memory limit of 16777216 bytes/, 'OOMKilled']] as const) {
    const answer = await eventually(name, () => cluster.service(name), (seen) => seen.status === status);
    assert.match(answer.body, words);
    const pod = await eventually(`${name} counted`, () => view(cluster, `app=${name}`), (seen) => seen.restarts >= 1);
    assert.equal(pod.last, reason);
    assert.equal(pod.ready, true);
  }
  const spinning = cluster.service('spin');
  for (let round = 0; round < 20; round += 1) assert.equal((await cluster.service('hello-tiny')).status, 200);
  const late = await spinning;
  assert.equal(late.status, 504);
  assert.match(late.body, /DeadlineExceeded/);

  // Two more bad ends in a row take it out of its routes, until its back-off is over.
  await cluster.service('trap');
  await cluster.service('trap');
  const looping = await eventually('CrashLoopBackOff', () => view(cluster, 'app=trap'), (seen) => seen.waiting === 'CrashLoopBackOff');
  assert.equal(looping.ready, false);
  await eventually('no endpoints', () => cluster.service('trap'), (answer) => answer.status === 503);
});

test('a command that ends is started again later, and what it wrote before is still to be read', { timeout: 60_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  apply(cluster, 'lines', `file://${guest('lines')}`);
  const seen = await eventually('its back-off', () => view(cluster, 'app=lines'), (pod) => pod.waiting === 'CrashLoopBackOff');
  assert.deepEqual([seen.restarts, seen.last], [1, 'Completed']);
  const previous = await eventually('its log', () => cluster.copepod('logs', 'lines', '--previous'), (done) => done.stdout.includes('two'));
  assert.deepEqual(previous.stdout.split('\n').filter((line) => line !== '').sort(), ['one', 'oops', 'two']);
});

test('no request fails while a deployment is rolled out, scaled up and down', { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  assert.equal(cluster.copepod('deploy', example('hello-tiny'), '--replicas', '6').code, 0);
  const stop = new AbortController();
  const failed: unknown[] = [];
  let asked = 0;
  const clients = Array.from({ length: 4 }, async () => {
    while (!stop.signal.aborted) {
      const answer = await cluster.service('hello-tiny').catch((error: unknown) => ({ status: 0, body: String(error) }));
      asked += 1;
      if (answer.status !== 200) failed.push(answer);
    }
  });
  for (const args of [['rollout', 'restart', 'deploy/hello-tiny'], ['rollout', 'status', 'deploy/hello-tiny'], ['scale', 'deploy/hello-tiny', '--replicas', '30'], ['rollout', 'status', 'deploy/hello-tiny'], ['scale', 'deploy/hello-tiny', '--replicas', '1'], ['rollout', 'status', 'deploy/hello-tiny']]) {
    // Not spawnSync: the clients must go on meanwhile.
    const child = spawn(COPEPOD, args, { stdio: 'ignore', env: { ...process.env, KUBECONFIG: cluster.kubeconfig } });
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 0, args.join(' '));
  }
  await eventually('one pod', () => cluster.copepod('get', 'pods', '-o', 'name').stdout.trim().split('\n').length, (count) => count === 1);
  stop.abort();
  await Promise.all(clients);
  assert.ok(asked > 100, `${asked} requests`);
  assert.deepEqual(failed, []);
});

function ociLayout(folder: string, component: Buffer, digest: string): string {
  const blobs = join(folder, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, digest), component);
  const manifest = JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: 'application/wasm', digest: `sha256:${digest}`, size: component.length }] });
  const manifestDigest = createHash('sha256').update(manifest).digest('hex');
  writeFileSync(join(blobs, manifestDigest), manifest);
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${manifestDigest}`, size: manifest.length, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }] }));
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return folder;
}
