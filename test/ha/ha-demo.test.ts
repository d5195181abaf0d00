// copepod up --ha-demo: what it starts is there, what is killed is missed by nobody, and nothing is left when it ends.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect, COPEPOD, end, eventually, run, temporary, withoutKubectl } from '../cluster.ts';
import { ETCD, withoutEtcd } from './masters.ts';

const skip = withoutEtcd || withoutKubectl || (ETCD === 'etcd' ? false : 'the demonstration takes the etcd of the PATH');

test('the demonstration comes up, outlives one of its masters and one of its etcds, and leaves nothing running', { skip, timeout: 180_000 }, async (t) => {
  const folder = temporary(t);
  const demo = spawn(COPEPOD, ['up', '--ha-demo', '--data-dir', folder, '--api-port', '0', '--gateway-port', '0', '--engine', 'jco'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(demo);
  t.after(() => end(demo, 'SIGTERM'));
  await eventually('it to be up', () => {
    if (demo.exitCode !== null) throw new Error(`it ended: ${output()}`);
    return output().includes('copepod is up, thrice');
  }, Boolean, 90_000);
  const kubectl = (...args: readonly string[]): string => {
    const done = run('kubectl', ['--kubeconfig', join(folder, 'ha-demo', 'kubeconfig'), '--request-timeout=20s', ...args]);
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };
  const nodes = (): string => kubectl('get', 'nodes', '--no-headers');
  await eventually('two nodes', nodes, (text) => /agent-1\s+Ready/.test(text) && /agent-2\s+Ready/.test(text));
  const pids = new Map([...output().matchAll(/(\w+-\d) (\d+)/g)].map(([, name, pid]) => [name, Number(pid)]));
  for (const name of ['master-1', 'etcd-1']) process.kill(pids.get(name) ?? assert.fail(`${name} is not named: ${output()}`), 'SIGKILL');
  const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: after, namespace: default}\n';
  await eventually('a write', () => run('kubectl', ['--kubeconfig', join(folder, 'ha-demo', 'kubeconfig'), '--request-timeout=20s', 'apply', '-f', '-'], { input: map }), ({ code }) => code === 0);
  await eventually('two nodes still', nodes, (text) => /agent-1\s+Ready/.test(text) && /agent-2\s+Ready/.test(text));
  assert.equal(await end(demo, 'SIGTERM'), 0, output());
  for (const [name, pid] of pids) assert.ok(!existsSync(`/proc/${pid}`), `${name} runs on`);
});
