// The same cluster on its other engines: what runs on wasmtime's compiler runs on its interpreter and on V8, and what cannot says so.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, example, guest, ROOT, startCluster, temporary } from '../cluster.ts';

test('components run on V8 where wasmtime is not to be had', { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t), ['--engine', 'jco']);
  assert.match(cluster.copepod('get', 'nodes', '-o', 'wide').stdout, /jco:\/\//);
  assert.equal(cluster.copepod('deploy', example('hello-tiny'), '--replicas', '3').code, 0);
  assert.deepEqual(await cluster.service('hello-tiny'), { status: 200, body: 'hello from copepod\n' });
  for (const name of ['counter', 'hello']) {
    assert.equal(cluster.copepod('deploy', example(name), '--push-only').code, 0);
    assert.equal(cluster.copepod('apply', '-f', join(ROOT, 'examples', name, 'deployment.yaml')).code, 0);
  }
  await eventually('counter', () => cluster.copepod('logs', 'counter').stdout, (text) => text === 'count 1\ncount 2\ncount 3\ncount 4\ncount 5\n');
  // The sample is of WASI 0.3, which only wasmtime has.
  await eventually('the reason', () => cluster.copepod('get', 'pods', '-l', 'app=hello').stdout, (text) => text.includes('UnsupportedImport'));
  // So is a capability that it cannot give: it is refused rather than left out.
  const manifest = join(cluster.folder, 'kv.json');
  writeFileSync(manifest, JSON.stringify({
    apiVersion: 'v1', kind: 'Pod', metadata: { name: 'kv', labels: { app: 'kv' }, annotations: { 'copepod.dev/keyvalue': 'default', 'copepod.dev/warm': '1' } },
    spec: { containers: [{ name: 'main', image: `file://${example('hello-tiny')}`, resources: { limits: { cpu: '100m' } } }] },
  }));
  assert.equal(cluster.copepod('apply', '-f', manifest).code, 0);
  const seen = await eventually('its refusal', () => cluster.copepod('get', 'pod', 'kv', '-o', 'json').stdout, (text) => text.includes('"Unsupported"'));
  assert.match(seen, /cannot have wasi:keyvalue, a limit of 100 on cpuMillis, warm instances: run the agent with the wasmtime engine, or leave it out/);
});

test('components run on the interpreter, which needs no compiler for the processor', { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t), ['--engine', 'pulley']);
  assert.match(cluster.copepod('get', 'nodes', '-o', 'wide').stdout, /pulley:\/\/48/);
  for (const path of [example('hello-tiny'), guest('service3')]) assert.equal(cluster.copepod('deploy', path).code, 0);
  assert.deepEqual(await cluster.service('hello-tiny'), { status: 200, body: 'hello from copepod\n' });
  assert.equal((await cluster.service('service3', '/count')).status, 200);
});
