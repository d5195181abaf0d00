// The same cluster on its second engine: what runs on wasmtime runs on V8, and what cannot says so.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, example, ROOT, startCluster, temporary } from '../cluster.ts';

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
});
