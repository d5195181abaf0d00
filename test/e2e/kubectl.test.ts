// The main job with the real kubectl: apply, get, describe, logs, scale, rollout, delete; and that `kill -9` loses nothing.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Cluster, eventually, example, ROOT, startCluster, temporary, withoutKubectl } from '../cluster.ts';

const DEPLOYMENT = join(ROOT, 'examples/hello-tiny/deployment.yaml');

function ok(result: { readonly code: number; readonly stdout: string; readonly stderr: string }): string {
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}

const pods = (cluster: Cluster): readonly string[] => ok(cluster.kubectl('get', 'pods', '-o', 'name')).split('\n').filter((line) => line !== '');

test('kubectl deploys, scales, follows, replaces and deletes a component', { skip: withoutKubectl, timeout: 180_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  ok(cluster.copepod('deploy', example('hello-tiny'), '--push-only'));

  assert.match(ok(cluster.kubectl('apply', '-f', DEPLOYMENT)), /deployment\.apps\/hello-tiny created\s+service\/hello-tiny created/);
  ok(cluster.kubectl('rollout', 'status', 'deployment/hello-tiny', '--timeout=60s'));
  await eventually('an answer', () => cluster.service('hello-tiny'), ({ status, body }) => status === 200 && body === 'hello from copepod\n');
  assert.match(ok(cluster.kubectl('apply', '-f', DEPLOYMENT)), /deployment\.apps\/hello-tiny unchanged/);

  const wide = ok(cluster.kubectl('get', 'pods', '-o', 'wide'));
  assert.match(wide, /^NAME\s+READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE\s/);
  assert.match(wide, /hello-tiny-\S+\s+1\/1\s+Running\s+0\s+\S+\s+127\.1[2-9]\d\.\d+\.\d+\s+node-1\s/);
  const [first = ''] = pods(cluster);
  const described = ok(cluster.kubectl('describe', first));
  for (const part of [/Node:\s+node-1\/127\.0\.0\.1/, /State:\s+Running/, /Ready\s+True/, /Started container hello-tiny/]) assert.match(described, part);

  ok(cluster.kubectl('scale', 'deployment/hello-tiny', '--replicas=100'));
  ok(cluster.kubectl('rollout', 'status', 'deployment/hello-tiny', '--timeout=60s'));
  assert.equal(pods(cluster).length, 100);

  const [doomed = ''] = pods(cluster);
  ok(cluster.kubectl('delete', doomed));
  await eventually('its replacement', () => pods(cluster), (names) => names.length === 100 && !names.includes(doomed));

  ok(cluster.kubectl('rollout', 'restart', 'deployment/hello-tiny'));
  ok(cluster.kubectl('rollout', 'status', 'deployment/hello-tiny', '--timeout=60s'));
  ok(cluster.kubectl('rollout', 'undo', 'deployment/hello-tiny'));
  ok(cluster.kubectl('rollout', 'status', 'deployment/hello-tiny', '--timeout=60s'));

  ok(cluster.kubectl('delete', '-f', DEPLOYMENT));
  await eventually('nothing left', () => ok(cluster.kubectl('get', 'all,endpointslices', '-o', 'name')), (text) => text === '');
  assert.equal(await cluster.stop(), 0);
});

test('kubectl shows what a component wrote: whole, its end, followed to its exit', { skip: withoutKubectl, timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  ok(cluster.copepod('deploy', example('counter'), '--push-only'));
  ok(cluster.kubectl('apply', '-f', join(ROOT, 'examples/counter/deployment.yaml')));
  await eventually('the first line', () => cluster.kubectl('logs', 'counter').stdout, (text) => text.startsWith('count 1\n'));
  assert.equal(ok(cluster.kubectl('logs', '-f', 'counter')), 'count 1\ncount 2\ncount 3\ncount 4\ncount 5\n');
  await eventually('its end', () => ok(cluster.kubectl('get', 'pod', 'counter', '--no-headers')), (line) => /0\/1\s+Completed\s+0/.test(line));
  assert.equal(ok(cluster.kubectl('logs', 'counter', '--tail=2')), 'count 4\ncount 5\n');
  assert.match(ok(cluster.kubectl('logs', 'counter', '--tail=1', '--timestamps')), /^\d{4}-\d\d-\d\dT[\d:.]+Z count 5\n$/);
  assert.match(cluster.kubectl('logs', 'counter', '--previous').stderr, /previous terminated container in pod "counter" not found/);
});

test('a typo in a manifest is refused with its path and what was meant, and nothing is changed', { skip: withoutKubectl, timeout: 60_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const manifest = join(cluster.folder, 'typo.yaml');
  writeFileSync(manifest, JSON.stringify({
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' },
    spec: { replica: 2, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web', portss: [] }] } } },
  }));
  const refused = cluster.kubectl('apply', '-f', manifest);
  assert.notEqual(refused.code, 0);
  // Before 1.25 kubectl judges by the schema it was given; later ones ask the server, which says what was meant.
  assert.match(refused.stderr, /unknown field "spec\.replica", did you mean "replicas"\?|unknown field "replica" in io\.k8s\.api\.apps\.v1\.DeploymentSpec/);
  assert.match(refused.stderr, /unknown field "spec\.template\.spec\.containers\[0\]\.portss", did you mean "ports"\?|unknown field "portss" in io\.k8s\.api\.core\.v1\.Container/);
  assert.equal(ok(cluster.kubectl('get', 'deployments', '-o', 'name')), '');
  const ours = cluster.copepod('apply', '-f', manifest);
  assert.equal(ours.code, 1);
  assert.match(ours.stderr, /typo\.yaml:1: .*unknown field "spec\.replica", did you mean "replicas"\?/);
});

test('after kill -9 everything is there again, and answers again, without a command', { skip: withoutKubectl, timeout: 120_000 }, async (t) => {
  const folder = temporary(t);
  const before = await startCluster(t, folder);
  ok(before.copepod('deploy', example('hello-tiny'), '--replicas', '20'));
  ok(before.kubectl('create', '--raw', '/api/v1/namespaces/default/configmaps', '-f', writeConfigMap(folder)));
  const names = pods(before);
  assert.equal((await before.service('hello-tiny')).status, 200);
  await before.kill();

  const after = await startCluster(t, folder);
  await eventually('an answer', () => after.service('hello-tiny'), ({ status }) => status === 200);
  assert.deepEqual(pods(after), names);
  assert.match(ok(after.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.word}')), /^kept$/);
  ok(after.kubectl('rollout', 'status', 'deployment/hello-tiny', '--timeout=30s'));
  // A second one at the same time is refused by name, and harms nothing.
  const second = after.copepod('up', '--data-dir', folder, '--api-port', '0', '--gateway-port', '0');
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`in use by process ${after.pid}`));
  assert.equal((await after.service('hello-tiny')).status, 200);
});

function writeConfigMap(folder: string): string {
  const path = join(folder, 'configmap.json');
  writeFileSync(path, JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' }, data: { word: 'kept' } }));
  return path;
}
