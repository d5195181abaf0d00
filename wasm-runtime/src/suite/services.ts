// Services: how they are reached, what they answer, how they end.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import type { ListenerFailure } from '../runtime.ts';
import { ask } from './client.ts';
import { type Stage, rejectsWith, resident, routeTo, until } from './stage.ts';

export function serviceTests(at: () => Stage): void {
  test('a service answers through the gateway by Host, and its output is in its log', async (context) => {
    const { serve, gateway } = at();
    const hello = await serve(context, 'hello');
    const answer = await ask(gateway, `${hello.host.replace('hello', 'Hello')}:8080`);
    assert.deepEqual({ status: answer.status, body: answer.body }, { status: 200, body: 'hello, wasm\n' });
    await until('the log has the line', async () => /^\d{4}-\d\d-\d\dT[\d:.]+Z stdout F a request came\n$/.test(await hello.log()));
    await hello.workload.stop(1000);
    assert.equal((await hello.workload.exited).reason, 'Stopped');
  });

  test('an unknown host is told so, and a Service without endpoints is unavailable', async () => {
    const { route, gateway } = at();
    await route([routeTo('empty', [])]);
    const unknown = await ask(gateway, 'nobody.default.localhost');
    assert.equal(unknown.status, 404);
    assert.match(unknown.body, /nobody\.default\.localhost/);
    const empty = await ask(gateway, 'empty.default.localhost');
    assert.equal(empty.status, 503);
    assert.match(empty.body, /empty\.default\.svc\.cluster\.local has no ready endpoints/);
    await route([]);
  });

  test('ClusterIP and NodePort listeners open and close with the table, and a taken port is named', async (context) => {
    const { serve, proxy } = at();
    const stranger = createServer();
    const listening = async (server: typeof stranger): Promise<number> => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    };
    const taken = await listening(stranger);
    const spare = createServer();
    const free = await listening(spare);
    spare.close();
    await once(spare, 'close');
    const hello = await serve(context, 'hello');
    const endpoints = [{ workload: hello.workload.id }];
    try {
      const ports = [{ port: free, nodePort: free, endpoints }, { port: 81, nodePort: taken, endpoints }];
      const failures = await proxy.apply({ services: [routeTo('hello', [], { clusterIP: '127.96.7.7', ports })] });
      const expected: ListenerFailure = { host: '127.0.0.1', port: taken, code: 'PortInUse', service: 'hello.default.svc.cluster.local' };
      assert.deepEqual(failures.filter((failure) => failure.code === 'PortInUse'), [expected]);
      assert.equal((await ask(free, 'anything', { address: '127.96.7.7' })).status, 200);
      assert.equal((await ask(free, 'anything')).status, 200);
      await proxy.apply({ services: [] });
      await until('the ClusterIP is closed', () => ask(free, 'x', { address: '127.96.7.7' }).then(() => false, () => true));
    } finally {
      stranger.close();
      await once(stranger, 'close');
    }
  });

  test('requests are spread over the endpoints, and swapping the table fails none', async (context) => {
    const { serve, route, gateway } = at();
    const replicas = [await serve(context, 'hello'), await serve(context, 'hello'), await serve(context, 'hello'), await serve(context, 'hello')];
    const ids = replicas.map(({ workload }) => workload.id);
    await route([routeTo('many', ids)]);
    const answers = Array.from({ length: 200 }, async (_, index) => {
      if (index % 20 === 0) await route([routeTo('many', ids.slice(index % 3))]);
      return (await ask(gateway, 'many.default.localhost')).status;
    });
    assert.deepEqual([...new Set(await Promise.all(answers))], [200]);
    for (const { workload } of replicas) assert.ok(workload.stats().requests > 0, `${workload.id} got requests`);
    await route([]);
  });

  test('a body streams both ways, larger than what is held at a time', async (context) => {
    const echo = await at().serve(context, 'echo');
    const body = 'abcdefgh'.repeat(100_000);
    const answer = await echo.ask('/echo', { method: 'POST', body });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-echo'], 'yes');
    assert.equal(answer.body.length, body.length);
    assert.ok(answer.body === body, 'and nothing is changed');
    assert.equal((await echo.ask('/big?bytes=1000000')).body.length, 1_000_000);
  });

  test('a service of WASI 0.3 answers and streams, or is refused', async (context) => {
    const stage = at();
    if (!stage.abilities.concurrent) return assert.rejects(stage.load('service3'), { code: 'UnsupportedImport' });
    const service = await stage.serve(context, 'service3', { limits: { memoryBytes: 32 * 2 ** 20 } });
    assert.deepEqual((({ status, body }) => ({ status, body }))(await service.ask('/count')), { status: 200, body: '1' });
    const body = 'abcdefgh'.repeat(50_000);
    assert.ok((await service.ask('/echo', { method: 'POST', body })).body === body, 'all of it comes back');
    const trap = await service.ask('/trap');
    assert.equal(trap.status, 502);
    await until('the trap is told', () => service.failures.length === 1);
  });

  test('a reactor of preview 1 is a service, or is refused', async (context) => {
    const stage = at();
    if (!stage.abilities.preview1) return assert.rejects(stage.load('preview1-reactor'), { code: 'NotAComponent' });
    const service = await stage.serve(context, 'preview1-reactor');
    assert.equal((await service.ask()).status, 200);
    await until('it printed', async () => (await service.log()).endsWith(' stdout F from preview 1\n'));
  });

  test('a trap is answered, told with the function it happened in, and harms no neighbour', async (context) => {
    const { serve, abilities } = at();
    const [deep, neighbour] = [await serve(context, 'deep'), await serve(context, 'hello')];
    const bad = deep.ask();
    assert.equal((await neighbour.ask()).status, 200, 'the neighbour answers meanwhile');
    assert.equal((await bad).status, 502);
    await until('the failure is told', () => deep.failures.length === 1);
    const [failure] = deep.failures;
    assert.deepEqual({ reason: failure?.reason, exitCode: failure?.exitCode }, { reason: 'Trap', exitCode: 134 });
    assert.match(failure?.message ?? '', abilities.backtraces ? /unreachable.* in .*innermost < .*middle < .*handle/ : /unreachable/);
    assert.equal((await neighbour.ask()).status, 200, 'the neighbour answers afterwards');
    assert.deepEqual(deep.workload.stats().failuresByReason, { Trap: 1 });
  });

  test('a guest that returns without an answer is a failure of its own', async (context) => {
    const silent = await at().serve(context, 'silent');
    assert.equal((await silent.ask()).status, 502);
    await until('the failure is told', () => silent.failures.length === 1);
    assert.equal(silent.failures[0]?.reason, 'Error');
  });

  test('stop lets a request finish within its deadline, and ends one that outlives it', async (context) => {
    const { serve } = at();
    const [quick, endless] = [await serve(context, 'echo'), await serve(context, 'spin', { limits: { requestTimeoutMs: 60_000 } })];
    const [slept, spun] = [quick.ask('/sleep?ms=200'), endless.ask()];
    await until('both are in flight', () => quick.workload.stats().inFlight === 1 && endless.workload.stats().inFlight === 1);
    await Promise.all([quick.workload.stop(5000), endless.workload.stop(50)]);
    assert.equal((await slept).body, 'slept\n');
    assert.equal((await spun).status, 503);
    assert.equal(endless.workload.stats().inFlight, 0);
    assert.equal((await quick.ask()).status, 503, 'it takes no new ones');
    await endless.workload.stop(0);
  });

  test('a probe reaches a fresh instance and counts as nobody\'s failure', async (context) => {
    const { serve } = at();
    const [good, bad, slow] = [await serve(context, 'hello'), await serve(context, 'trap'), await serve(context, 'spin')];
    const probe = { path: '/healthz', headers: {}, timeoutMs: 2000 };
    assert.equal(await good.workload.probe(probe), 200);
    await assert.rejects(bad.workload.probe(probe), rejectsWith('Trap', /unreachable/));
    await assert.rejects(slow.workload.probe({ ...probe, timeoutMs: 50 }), rejectsWith('DeadlineExceeded', /50 ms/));
    assert.equal(bad.workload.stats().failures, 0);
  });

  test('a workload\'s id is its own', async (context) => {
    const { serve, runtime } = at();
    const { spec, workload } = await serve(context, 'hello');
    await assert.rejects(runtime.start(spec), rejectsWith('AlreadyExists', new RegExp(spec.id)));
    await workload.stop(0);
    const again = await runtime.start(spec);
    await again.stop(0);
  });

  test('what a service did is counted', async (context) => {
    const echo = await at().serve(context, 'echo');
    await echo.ask('/echo', { method: 'POST', body: 'x'.repeat(1000) });
    await echo.ask('/status?code=404');
    await until('both are counted', () => echo.workload.stats().byClass.reduce((sum, count) => sum + count, 0) === 2);
    const stats = echo.workload.stats();
    const { requests, inFlight, failures, bytesIn, bytesOut } = stats;
    assert.deepEqual({ requests, inFlight, failures, bytesIn, bytesOut }, { requests: 2, inFlight: 0, failures: 0, bytesIn: 1000, bytesOut: 1000 });
    assert.deepEqual([...stats.byClass], [0, 1, 0, 1, 0]);
    assert.equal(stats.latency.reduce((sum, count) => sum + count, 0), 2);
    assert.ok(stats.instances >= 1, 'instances are counted');
  });

  test('each request is a line in the log where that is wanted', async (context) => {
    const { serve } = at();
    const [told, untold] = [await serve(context, 'echo', { accessLog: true }), await serve(context, 'echo')];
    await told.ask('/status?code=201&text=x');
    await untold.ask('/status');
    await until('the line is there', async () => / stdout F access 201 GET \/status\?code=201&text=x \d+ us\n$/.test(await told.log()));
    assert.equal(await untold.log(), '');
  });

  test('a log that grows past its size is renamed, and at most two files are kept', async (context) => {
    const echo = await at().serve(context, 'echo', { logBytes: 10_000 });
    for (let round = 0; round < 5; round += 1) assert.equal((await echo.ask('/print?bytes=5000')).status, 200);
    const [now, before] = [echo.spec.log.path, `${echo.spec.log.path}.1`];
    await until('the log was renamed', () => readFile(before).then(() => true, () => false));
    for (const path of [now, before]) assert.ok((await readFile(path).catch(() => Buffer.alloc(0))).length <= 10_000, path);
  });

  test('1,000 idle replicas of one component cost little each', async () => {
    const { spec, runtime, abilities } = at();
    const base = await spec('hello');
    const before = await resident();
    const replicas = await Promise.all(Array.from({ length: 1000 }, (_, index) => runtime.start({ ...base, id: `idle-${index}` })));
    const each = ((await resident()) - before) / replicas.length;
    assert.ok(each < abilities.idleBytes, `${Math.round(each)} bytes each`);
    await Promise.all(replicas.map((replica) => replica.stop(0)));
  });
}

/** HTTP/2, request ids, trailers, slow clients. */
export function httpTests(at: () => Stage): void {
  test('a request has an id, the client\'s own or one that is made, and the answer says it', async (context) => {
    const { serve, abilities } = at();
    const echo = await serve(context, 'echo');
    const made = await echo.ask('/headers');
    if (!abilities.fullHttp) return assert.equal(made.headers['x-request-id'], undefined);
    assert.match(String(made.headers['x-request-id']), /^[0-9a-f]{16}$/);
    assert.match(made.body, new RegExp(`x-request-id: ${String(made.headers['x-request-id'])}`));
    const own = await echo.ask('/headers', { headers: { 'x-request-id': 'mine' } });
    assert.equal(own.headers['x-request-id'], 'mine');
    assert.match(own.body, /x-request-id: mine/);
  });

  test('trailers pass a guest both ways', async (context) => {
    const { serve, abilities } = at();
    const guests = abilities.fullHttp ? ['echo', 'service3'] : [];
    for (const guest of guests) {
      const echo = await serve(context, guest, { limits: { memoryBytes: 32 * 2 ** 20 } });
      const answer = await echo.ask('/echo', { method: 'POST', body: 'x', headers: { te: 'trailers' }, trailers: { 'x-end': 'over' } });
      assert.equal(answer.body, 'x');
      assert.equal(answer.trailers['x-end'], 'over', guest);
    }
  });

  test('HTTP/2 is spoken with clients that begin with it, many requests on one connection', async (context) => {
    const { serve, gateway, abilities } = at();
    const echo = await serve(context, 'echo');
    const client = connectHttp2(`http://127.0.0.1:${gateway}`);
    const failed = once(client, 'error').then(([error]) => error as Error);
    context.after(() => client.destroy());
    if (!abilities.fullHttp) return assert.ok((await failed) instanceof Error);
    const answers = Array.from({ length: 20 }, async (_, index) => {
      const stream = client.request({ ':path': '/echo', ':method': 'POST', ':authority': echo.host });
      stream.end(`number ${index}`);
      let body = '';
      for await (const chunk of stream) body += String(chunk);
      return body;
    });
    assert.deepEqual(await Promise.all(answers), answers.map((_, index) => `number ${index}`));
  });

  test('a client that is slow to send or to read holds up nobody else', async (context) => {
    const { abilities, serve, gateway } = at();
    const echo = await serve(context, 'echo', { limits: { requestTimeoutMs: 60_000 } });
    const sockets = Array.from({ length: 50 }, () => connect(gateway, '127.0.0.1'));
    context.after(() => sockets.forEach((socket) => socket.destroy()));
    for (const [index, socket] of sockets.entries()) {
      socket.pause();
      socket.write(index % 2 === 0 ? `POST /echo HTTP/1.1\r\nhost: ${echo.host}\r\ncontent-length: 100\r\n\r\nx` : `GET /big?bytes=4000000 HTTP/1.1\r\nhost: ${echo.host}\r\n\r\n`);
    }
    await until('they are all in flight', () => echo.workload.stats().inFlight === sockets.length);
    const other = abilities.waitsAside ? echo : await serve(context, 'echo');
    assert.equal((await other.ask('/status')).status, 200);
    for (const socket of sockets) socket.destroy();
    await until('they are all gone', () => echo.workload.stats().inFlight === 0);
  });
}
