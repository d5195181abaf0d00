// The examples as a newcomer uses them: every one runs on a real cluster from its own manifest.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, example, ROOT, startCluster, temporary } from '../cluster.ts';

test('every example is pushed, applied, and does what its first line says', { timeout: 180_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const names = readdirSync(join(ROOT, 'examples'), { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== 'build').map((entry) => entry.name).sort();
  assert.deepEqual(names, ['caller', 'counter', 'hello', 'hello-tiny', 'visits']);
  for (const name of names) {
    for (const args of [['deploy', example(name), '--push-only'], ['apply', '-f', join(ROOT, 'examples', name, 'deployment.yaml')]]) {
      const done = cluster.copepod(...args);
      assert.equal(done.code, 0, done.stderr);
    }
  }
  const page = await eventually('hello', () => cluster.service('hello', '/x?y=1&z=2'), ({ status }) => status === 200);
  assert.match(page.body, /<code>hello-\S+<\/code> answered <code>\/x\?y=1&#38;z=2<\/code>/);
  await eventually('hello-tiny', () => cluster.service('hello-tiny'), ({ body }) => body === 'hello from copepod\n');
  await eventually('caller', () => cluster.service('caller'), ({ body }) => body === 'caller got: hello from copepod\n');
  await eventually('counter', () => cluster.copepod('logs', 'counter').stdout, (text) => text === 'count 1\ncount 2\ncount 3\ncount 4\ncount 5\n');
  for (const visitor of [1, 2, 3]) await eventually(`visitor ${visitor}`, () => cluster.service('visits'), ({ body }) => body === `Good morning, visitor ${visitor}\n`);
});
