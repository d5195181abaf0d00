// Two agents in two network namespaces join one server with a token: pods go to both, a Service reaches both, and a node that dies is
// replaced. The namespaces are this test's own; no load leaves them.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { collect, COPEPOD, end, eventually, example, type Result, run, temporary } from '../cluster.ts';

const usable = process.getuid?.() === 0 && run('ip', ['netns', 'list']).code === 0;
const skip = usable ? false : 'needs root and ip(8): network namespaces';
const TAG = `cop${process.pid}`;

function ip(...args: readonly string[]): void {
  const done = run('ip', args);
  assert.equal(done.code, 0, `ip ${args.join(' ')}: ${done.stderr}`);
}

/** `s` holds a bridge with the server's address 10.77.0.1; `a` and `b` hang on it as 10.77.0.2 and 10.77.0.3. */
function layNetwork(t: TestContext): void {
  t.after(() => {
    for (const name of ['s', 'a', 'b']) run('ip', ['netns', 'del', `${TAG}${name}`]);
  });
  for (const name of ['s', 'a', 'b']) {
    ip('netns', 'add', `${TAG}${name}`);
    ip('-n', `${TAG}${name}`, 'link', 'set', 'lo', 'up');
  }
  ip('-n', `${TAG}s`, 'link', 'add', 'br0', 'type', 'bridge');
  ip('-n', `${TAG}s`, 'addr', 'add', '10.77.0.1/24', 'dev', 'br0');
  ip('-n', `${TAG}s`, 'link', 'set', 'br0', 'up');
  for (const [index, name] of ['a', 'b'].entries()) {
    ip('link', 'add', `v${name}`, 'netns', `${TAG}${name}`, 'type', 'veth', 'peer', 'name', `p${name}`, 'netns', `${TAG}s`);
    ip('-n', `${TAG}s`, 'link', 'set', `p${name}`, 'master', 'br0', 'up');
    ip('-n', `${TAG}${name}`, 'addr', 'add', `10.77.0.${index + 2}/24`, 'dev', `v${name}`);
    ip('-n', `${TAG}${name}`, 'link', 'set', `v${name}`, 'up');
  }
}

test('two agents join with a token, share the pods, and reach each other\'s; a dead one is replaced', { skip, timeout: 180_000 }, async (t) => {
  const folder = temporary(t);
  layNetwork(t);
  const start = (where: string, ...args: readonly string[]): ChildProcess => {
    const child = spawn('ip', ['netns', 'exec', `${TAG}${where}`, COPEPOD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = collect(child);
    t.after(async () => {
      await end(child, 'SIGKILL');
      if (process.env['COPEPOD_TEST_LOG'] !== undefined) process.stderr.write(output());
    });
    return child;
  };
  const inside = (where: string, command: string, ...args: readonly string[]): Result => run('ip', ['netns', 'exec', `${TAG}${where}`, command, ...args], { env: { KUBECONFIG: join(folder, 's', 'kubeconfig') } });
  const copepod = (...args: readonly string[]): string => {
    const done = inside('s', COPEPOD, ...args);
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };
  const ask = (where: string): Result => inside(where, 'curl', '-s', '-m', '5', '-w', '%{http_code}', '-H', 'Host: hello-tiny.default.localhost', 'http://127.0.0.1:8080/');
  const nodesOfPods = (): readonly string[] => (JSON.parse(copepod('get', 'pods', '-o', 'json')) as { items: { spec: { nodeName?: string }; metadata: { deletionTimestamp?: string }; status: { conditions?: { type: string; status: string }[] } }[] }).items
    .filter((pod) => pod.metadata.deletionTimestamp === undefined && pod.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'))
    .map((pod) => pod.spec.nodeName ?? '').sort();

  start('s', 'server', '--data-dir', join(folder, 's'));
  await eventually('the token', () => existsSync(join(folder, 's', 'join-token')) && existsSync(join(folder, 's', 'kubeconfig')), Boolean);
  const token = readFileSync(join(folder, 's', 'join-token'), 'utf8').trim();
  const agent = (name: string, ...rest: readonly string[]): ChildProcess => start(name, 'agent', '--server', 'https://10.77.0.1:6443', '--node-name', `node-${name}`, '--data-dir', join(folder, name), ...rest);

  // A token of another cluster, and one that was never given out, join nothing.
  const foreign = inside('a', COPEPOD, 'agent', '--server', 'https://10.77.0.1:6443', '--token', token.replace(/^cp1\.[0-9a-f]{4}/, 'cp1.0000'), '--data-dir', join(folder, 'x'));
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /is not the one the token names/);
  const unknown = inside('a', COPEPOD, 'agent', '--server', 'https://10.77.0.1:6443', '--token', token.replace(/[0-9a-f]{8}$/, '00000000'), '--data-dir', join(folder, 'x'));
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /the token is not known here/);

  agent('a', '--token', token);
  const doomed = agent('b', '--token', token);
  await eventually('both nodes', () => copepod('get', 'nodes', '-o', 'name').trim().split('\n'), (names) => names.length === 2);
  copepod('deploy', example('hello-tiny'), '--replicas', '4');
  assert.deepEqual(nodesOfPods(), ['node-a', 'node-a', 'node-b', 'node-b']);
  for (const where of ['a', 'b']) await eventually(`an answer on ${where}`, () => ask(where).stdout, (text) => text === 'hello from copepod\n200');

  // Requests on one node reach the pods of both: each pod served some of them.
  for (let round = 0; round < 12; round += 1) assert.equal(ask('a').stdout, 'hello from copepod\n200');
  const clusterIP = (JSON.parse(copepod('get', 'service', 'hello-tiny', '-o', 'json')) as { spec: { clusterIP: string } }).spec.clusterIP;
  assert.equal(inside('b', 'curl', '-s', '-m', '5', `http://${clusterIP}:8081/`).stdout, 'hello from copepod\n');

  await end(doomed, 'SIGKILL');
  let failed = 0;
  for (let round = 0; round < 40; round += 1) if (!ask('a').stdout.endsWith('200')) failed += 1;
  assert.equal(failed, 0, 'a dead node costs no request');
  await eventually('its pods elsewhere', nodesOfPods, (names) => names.length === 4 && names.every((name) => name === 'node-a'), 30_000);
  assert.match(copepod('get', 'nodes'), /node-b\s+NotReady/);

  // It comes back without a token, as itself.
  agent('b');
  await eventually('node-b again', () => copepod('get', 'node', 'node-b'), (text) => /node-b\s+Ready/.test(text));
});
