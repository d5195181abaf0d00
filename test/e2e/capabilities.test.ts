// What a pod may be given, from its manifest to its guest: files, configuration, buckets, ports, ways out, limits; and what is refused, with the words that say why.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Answer, type Cluster, eventually, get, guest, type Result, startCluster, temporary, withoutKubectl } from '../cluster.ts';

interface Wanted {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly container?: object;
  readonly spec?: object;
  readonly namespace?: string;
}

/** A pod of the guest, and a Service in front of it. */
function podOf(name: string, guestName: string, { annotations = {}, container = {}, spec = {}, namespace = 'default' }: Wanted = {}): readonly object[] {
  return [
    { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { app: name }, annotations }, spec: { containers: [{ name: 'main', image: `file://${guest(guestName)}`, ...container }], ...spec } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { selector: { app: name }, ports: [{ port: 8081 }] } },
  ];
}

function write(cluster: Cluster, objects: readonly object[]): string {
  const path = join(cluster.folder, 'manifest.yaml');
  writeFileSync(path, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  return path;
}

function apply(cluster: Cluster, objects: readonly object[]): void {
  const done = cluster.copepod('apply', '-f', write(cluster, objects));
  assert.equal(done.code, 0, done.stderr);
}

interface PodState {
  readonly podIP?: string;
  readonly phase?: string;
  readonly containerStatuses?: readonly { readonly state: { readonly waiting?: { readonly reason: string; readonly message: string } } }[];
}

function stateOf(cluster: Cluster, name: string): PodState {
  return (JSON.parse(cluster.copepod('get', 'pod', name, '-o', 'json').stdout) as { status: PodState }).status;
}

/** What the guest answers, when it does. */
async function ask(cluster: Cluster, name: string, path: string, status = 200): Promise<string> {
  return (await eventually(`${name}${path}`, () => cluster.service(name, path), (answer) => answer.status === status)).body;
}

async function waiting(cluster: Cluster, name: string, reason: string): Promise<string> {
  const seen = await eventually(`${name}: ${reason}`, () => stateOf(cluster, name).containerStatuses?.[0]?.state.waiting, (state) => state?.reason === reason);
  return seen?.message ?? '';
}

const configMap = (name: string, data: Readonly<Record<string, string>>): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

test('a guest reads its volumes, configuration, environment and input, and writes only where it may', { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const volumes = [
    { name: 'config', configMap: { name: 'app', items: [{ key: 'greeting', path: 'en/greeting' }] } }, { name: 'keys', secret: { secretName: 'keys' } },
    { name: 'work', emptyDir: {} }, { name: 'host', hostPath: { path: cluster.folder } },
  ];
  const volumeMounts = volumes.slice(0, 3).map(({ name }) => ({ name, mountPath: `/${name}` }));
  apply(cluster, [
    configMap('app', { greeting: 'good morning', color: 'blue' }), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { token: 's3cret' } },
    ...podOf('files', 'files', { spec: { volumes }, container: { volumeMounts } }),
    ...podOf('config', 'config', { annotations: { 'copepod.dev/config': 'app' } }),
    ...podOf('given', 'given', { annotations: { 'copepod.dev/stdin': 'a line' }, container: { args: ['x'], env: [{ name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'app', key: 'color' } } }] } }),
    ...podOf('lost', 'files', { spec: { volumes: [{ name: 'a', configMap: { name: 'nowhere' } }] }, container: { volumeMounts: [{ name: 'a', mountPath: '/a' }] } }),
    ...podOf('greedy', 'files', { spec: { volumes }, container: { volumeMounts: [{ name: 'host', mountPath: '/host' }] } }),
  ]);
  assert.equal(await ask(cluster, 'files', '/'), '/config\n/keys\n/work\n');
  assert.equal(await ask(cluster, 'files', '/read?in=/config&path=en/greeting'), 'good morning');
  assert.equal(await ask(cluster, 'files', '/read?in=/keys&path=token'), 's3cret');
  assert.equal(await ask(cluster, 'files', '/write?in=/work&path=note&text=kept'), 'ok');
  assert.equal(await ask(cluster, 'files', '/read?in=/work&path=note'), 'kept');
  assert.match(await ask(cluster, 'files', '/write?in=/config&path=note&text=x'), /^error/);
  assert.match(await ask(cluster, 'files', '/read?in=/work&path=../../keys/token'), /^error/);
  assert.equal(await ask(cluster, 'config', '/?key=color'), 'blue');
  assert.equal(await ask(cluster, 'config', '/'), 'color=blue\ngreeting=good morning\n');
  assert.equal(await ask(cluster, 'given', '/'), 'args: main x\nenv: COLOR=blue\nstdin: a line\n');
  assert.equal(await waiting(cluster, 'lost', 'CreateContainerConfigError'), 'ConfigMap "nowhere" not found');
  assert.match(await waiting(cluster, 'greedy', 'CreateContainerConfigError'), /--allow-host-paths/);

  // Nothing of a pod stays on disk when it is gone, least of all a Secret.
  const pods = join(cluster.folder, 'agent', 'pods');
  assert.ok(readdirSync(pods, { recursive: true }).some((path) => String(path).endsWith('token')));
  for (const name of ['files', 'lost', 'greedy', 'config', 'given']) assert.equal(cluster.copepod('delete', 'pod', name).code, 0);
  await eventually('an empty folder', () => readdirSync(pods), (left) => left.length === 0);
});

test('a directory of the node is mounted where the operator allows it', { timeout: 60_000 }, async (t) => {
  const folder = temporary(t);
  const shared = join(folder, 'shared');
  mkdirSync(shared);
  writeFileSync(join(shared, 'from-host'), 'hello');
  const cluster = await startCluster(t, join(folder, 'data'), ['--allow-host-paths']);
  const volumes = [{ name: 'host', hostPath: { path: shared, type: 'Directory' } }];
  apply(cluster, podOf('files', 'files', { spec: { volumes }, container: { volumeMounts: [{ name: 'host', mountPath: '/rw' }, { name: 'host', mountPath: '/ro', readOnly: true }] } }));
  assert.equal(await ask(cluster, 'files', '/read?in=/ro&path=from-host'), 'hello');
  assert.match(await ask(cluster, 'files', '/write?in=/ro&path=x&text=x'), /^error/);
  assert.equal(await ask(cluster, 'files', '/write?in=/rw&path=from-guest&text=hi'), 'ok');
  assert.equal(readFileSync(join(shared, 'from-guest'), 'utf8'), 'hi');
});

test('a command that listens is reached at its pod\'s address, and by other pods that may go there', { timeout: 60_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const server = (name: string): readonly object[] => podOf(name, 'server', { annotations: { 'copepod.dev/stdin': 'tcp 7000' }, container: { ports: [{ containerPort: 7000 }] }, spec: { restartPolicy: 'Never' } }).slice(0, 1);
  // Both listen on the same port: each has an address of its own.
  apply(cluster, [...server('one'), ...server('two'), ...podOf('shut', 'server', { annotations: { 'copepod.dev/stdin': 'tcp 7000' }, spec: { restartPolicy: 'Never' } }).slice(0, 1)]);
  const listening = async (name: string): Promise<string> => {
    await eventually(`${name} listens`, () => cluster.copepod('logs', name).stdout, (text) => text.includes('listening'));
    return stateOf(cluster, name).podIP ?? '';
  };
  const [one, two] = [await listening('one'), await listening('two')];
  assert.notEqual(one, two);
  const socket = connect(7000, one);
  socket.end('echo this');
  let echoed = '';
  for await (const chunk of socket) echoed += String(chunk);
  assert.equal(echoed, 'echo this');
  await eventually('its end', () => stateOf(cluster, 'one').phase, (phase) => phase === 'Succeeded');
  // Without the port in its spec the same guest listens nowhere.
  await eventually('its failure', () => stateOf(cluster, 'shut').phase, (phase) => phase === 'Failed');
  assert.match(cluster.copepod('logs', 'shut').stdout, /^error/);

  apply(cluster, [...podOf('near', 'sockets', { annotations: { 'copepod.dev/egress': '127.128.0.0/10:7000' } }), ...podOf('far', 'sockets', {})]);
  assert.match(await ask(cluster, 'far', `/tcp?to=${two}:7000`), /^error/);
  assert.equal(await ask(cluster, 'near', `/tcp?to=${two}:7000&text=hi`), 'hi');
});

test('what is kept in a bucket outlives the pod, is the namespace\'s own, and is bounded', { timeout: 120_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const annotations = { 'copepod.dev/keyvalue': 'default,small:256Ki' };
  apply(cluster, [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } }]);
  apply(cluster, [...podOf('kv', 'keyvalue', { annotations }), ...podOf('kv', 'keyvalue', { annotations, namespace: 'other' }), ...podOf('none', 'keyvalue')]);
  assert.equal(await ask(cluster, 'kv', '/set?key=a&value=kept'), 'set');
  assert.match(await ask(cluster, 'kv', '/get?bucket=sessions', 404), /^error/);
  assert.match(await ask(cluster, 'none', '/get', 404), /^error/);
  assert.match(await ask(cluster, 'kv', '/set?bucket=small&bytes=500000', 500), /full/);
  const other = (path: string): Promise<Answer> => get(`${cluster.gateway}${path}`, 'kv.other.localhost');
  assert.equal((await eventually('the other namespace', () => other('/get?key=a'), ({ status }) => status === 200)).body, 'none');

  assert.equal(cluster.copepod('delete', 'pod', 'kv').code, 0);
  await eventually('its end', () => cluster.copepod('get', 'pod', 'kv').code, (code) => code !== 0);
  apply(cluster, podOf('kv', 'keyvalue', { annotations }));
  assert.equal(await ask(cluster, 'kv', '/get?key=a'), 'kept');
  await cluster.kill();
  const again = await startCluster(t, cluster.folder);
  assert.equal(await ask(again, 'kv', '/get?key=a'), 'kept');
});

test('a guest reaches the hosts it was let out to, and no other', { timeout: 60_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const outside = createServer((_, response) => response.end('outside'));
  outside.listen(0, '127.0.0.1');
  await once(outside, 'listening');
  t.after(() => outside.close());
  const to = `127.0.0.1:${(outside.address() as AddressInfo).port}`;
  apply(cluster, [...podOf('let', 'fetch', { annotations: { 'copepod.dev/egress': to } }), ...podOf('held', 'fetch', { annotations: { 'copepod.dev/egress': 'example.com:80' } })]);
  assert.equal(await ask(cluster, 'let', `/?to=${to}&path=/`), '200 outside');
  assert.match(await ask(cluster, 'held', `/?to=${to}&path=/`), /^error/);
  // Services need no permission.
  for (const name of ['let', 'let.default.svc.cluster.local']) assert.match(await ask(cluster, 'held', `/?to=${name}:8081&path=/none`), /^200 /);
});

test('a limit that is asked for holds, reuse keeps an instance, and a core module of preview 1 runs', { timeout: 90_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  apply(cluster, [
    ...podOf('small', 'echo', { annotations: { 'copepod.dev/limit.response-body': '1000', 'copepod.dev/access-log': 'true' } }),
    ...podOf('fresh', 'counter'), ...podOf('pooled', 'counter', { annotations: { 'copepod.dev/reuse': 'pooled(max=100,idle=1m)' } }),
    ...podOf('preview1', 'preview1', { container: { command: ['x-ray'] }, spec: { restartPolicy: 'Never' } }).slice(0, 1),
  ]);
  assert.equal((await ask(cluster, 'small', '/big?bytes=1000')).length, 1000);
  await assert.rejects(async () => {
    const { status, body } = await cluster.service('small', '/big?bytes=100000');
    assert.ok(status === 200 && body.length === 100_000);
  });
  await eventually('the access log', () => cluster.copepod('logs', 'small').stdout, (text) => /access 200 GET \/big\?bytes=1000 \d+ us/.test(text));
  for (const counted of ['1', '1', '1']) assert.equal(await ask(cluster, 'fresh', '/'), counted);
  for (const counted of ['1', '2', '3']) assert.equal(await ask(cluster, 'pooled', '/'), counted);
  await eventually('preview 1', () => stateOf(cluster, 'preview1').phase, (phase) => phase === 'Failed');
  assert.match(cluster.copepod('logs', 'preview1').stdout, /x-ray/);

  // Counted, for who asks with the API server's certificate.
  const text = await eventually('metrics', () => metrics(cluster), (body) => /copepod_limit_hits_total\{namespace="default",pod="small",container="main",limit="responseBody"\} [1-9]/.test(body));
  for (const line of [/copepod_requests_total\{[^}]*pod="pooled"[^}]*class="2xx"\} 3\n/, /copepod_instances_total\{[^}]*pod="pooled"[^}]*\} 1\n/, /copepod_instances_total\{[^}]*pod="fresh"[^}]*\} 3\n/, /copepod_request_duration_seconds_bucket\{[^}]*pod="fresh"[^}]*le="\+Inf"\} 3\n/]) assert.match(text, line);
});

/** What the node's agent says of its pods. */
async function metrics(cluster: Cluster): Promise<string> {
  const node = JSON.parse(cluster.copepod('get', 'node', 'node-1', '-o', 'json').stdout) as { status: { daemonEndpoints: { kubeletEndpoint: { Port: number } } } };
  const pki = (name: string): Buffer => readFileSync(join(cluster.folder, 'pki', name));
  const asked = httpsRequest({ host: '127.0.0.1', port: node.status.daemonEndpoints.kubeletEndpoint.Port, path: '/metrics', ca: pki('ca.crt'), cert: pki('kubelet-client.crt'), key: pki('kubelet-client.key'), servername: 'node-1.node.copepod', agent: false });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const chunk of answer) text += chunk.toString();
  return text;
}

test('what a pod may not ask for is refused by kubectl\'s first answer, with the place and how it is written', { skip: withoutKubectl, timeout: 60_000 }, async (t) => {
  const cluster = await startCluster(t, temporary(t));
  const refused = (wanted: Wanted): string => {
    const done: Result = cluster.kubectl('apply', '-f', write(cluster, podOf('bad', 'echo', wanted).slice(0, 1)));
    assert.notEqual(done.code, 0);
    return done.stderr;
  };
  assert.match(refused({ annotations: { 'copepod.dev/egres': 'a:1' } }), /metadata\.annotations\[copepod\.dev\/egres\].*did you mean "copepod\.dev\/egress"\?/);
  assert.match(refused({ annotations: { 'copepod.dev/egress': 'api.example.com' } }), /metadata\.annotations\[copepod\.dev\/egress\]: Invalid value: "api\.example\.com": .*has no port; write host:port/);
  assert.match(refused({ annotations: { 'copepod.dev/reuse': 'always' } }), /write request, pooled, or pooled\(max=128,idle=30s,concurrent=8\)/);
  assert.match(refused({ container: { resources: { limits: { cpu: '0' } } } }), /spec\.containers\[0\]\.resources\.limits\[cpu\]: Invalid value: "0": must be 1m to 1000/);
  assert.match(refused({ container: { resources: { limits: { memory: '4Gi' } } } }), /limits\[memory\].*must be 64Ki to 1Gi/);
  assert.match(refused({ spec: { volumes: [{ name: 'a', nfs: { server: 's', path: '/' } }] } }), /spec\.volumes\[0\]\.nfs: Forbidden: volumes of this type are not supported; there are configMap, emptyDir, hostPath, secret/);
  assert.equal(cluster.kubectl('get', 'pods', '-o', 'name').stdout, '');
});

test('compiled components are signed by the node, and one that was changed is compiled anew', { timeout: 90_000 }, async (t) => {
  const folder = temporary(t);
  const cluster = await startCluster(t, folder);
  apply(cluster, podOf('echo', 'echo'));
  await ask(cluster, 'echo', '/headers');
  const seed = join(folder, 'agent', 'pki', 'compile.seed');
  assert.equal(statSync(seed).mode & 0o777, 0o600);
  const compiled = join(folder, 'agent', 'compiled');
  const [name] = readdirSync(compiled, { recursive: true }).map(String).filter((path) => path.endsWith('.cwasm'));
  assert.ok(name !== undefined);
  const path = join(compiled, name);
  const before = { bytes: readFileSync(path), inode: statSync(path).ino };
  await cluster.kill();
  const again = await startCluster(t, folder);
  await ask(again, 'echo', '/headers');
  assert.equal(statSync(path).ino, before.inode, 'an unchanged one is used as it is');
  await again.kill();
  const changed = Buffer.from(before.bytes);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  writeFileSync(path, changed);
  const last = await startCluster(t, folder);
  await ask(last, 'echo', '/headers');
  assert.notEqual(statSync(path).ino, before.inode);
  assert.ok(existsSync(seed));
});
