// What any engine must do, as tests with real components. An adapter calls `runtimeSuite` from a test file of its own.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type RuntimeErrorCode, isRuntimeError } from './errors.ts';
import type { Component, Exit, ListenerFailure, Proxy, Runtime, ServiceRoute, WorkloadSpec } from './runtime.ts';

const guests = join(dirname(import.meta.dirname), 'guests', 'build');
const guest = (name: string): string => join(guests, `${name}.wasm`);
const MIB = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly body: string;
}

function get(port: number, host: string, address = '127.0.0.1'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: address, port, path: '/', headers: { host }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await holds()) return;
    await pause(10);
  }
  assert.fail(`waited 5 s in vain until ${what}`);
}

const rejectsWith = (code: RuntimeErrorCode, message: RegExp) => (error: unknown): boolean => {
  assert.ok(isRuntimeError(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

/** Runs every promise of the contract against the runtime that `open` returns. */
export function runtimeSuite(name: string, open: () => Runtime): void {
  describe(name, () => {
    let runtime: Runtime;
    let proxy: Proxy;
    let folder: string;
    let gateway = 0;
    let count = 0;
    const loaded = new Map<string, Component>();

    before(async () => {
      runtime = open();
      folder = await mkdtemp(join(tmpdir(), 'copepod-runtime-'));
      proxy = await runtime.openProxy({ gateway: { host: '127.0.0.1', port: 0 }, nodePortHost: '127.0.0.1' });
      gateway = proxy.gatewayPort ?? 0;
    });
    after(async () => {
      await runtime.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function load(guestName: string): Promise<Component> {
      const known = loaded.get(guestName);
      if (known !== undefined) return known;
      const compiled = join(folder, `${guestName}.cwasm`);
      await runtime.compile(guest(guestName), compiled);
      const component = await runtime.load(compiled);
      loaded.set(guestName, component);
      return component;
    }

    async function spec(guestName: string, changes: Partial<WorkloadSpec['limits']> = {}): Promise<WorkloadSpec> {
      count += 1;
      const id = `${guestName}-${count}`;
      return {
        id,
        component: await load(guestName),
        args: [guestName],
        env: {},
        limits: { memoryBytes: 16 * MIB, requestTimeoutMs: 5000, ...changes },
        log: { path: join(folder, `${id}.log`), maxBytes: MIB }, searchDomains: ['default.svc.cluster.local'], egress: [],
      };
    }

    const route = (host: string, endpoints: readonly string[], rest: Partial<ServiceRoute> = {}): ServiceRoute => ({
      host: `${host}.default.svc.cluster.local`,
      gatewayHost: `${host}.default.localhost`,
      ports: [{ port: 80, endpoints: endpoints.map((workload) => ({ workload })) }],
      ...rest,
    });

    async function failing(guestName: string, limits: Partial<WorkloadSpec['limits']> = {}): Promise<{ answer: Answer; failure: Exit }> {
      const workload = await runtime.start(await spec(guestName, limits));
      const neighbour = await runtime.start(await spec('hello'));
      const failure = new Promise<Exit>((resolve) => workload.onFailure(resolve));
      await proxy.apply({ services: [route('bad', [workload.id]), route('good', [neighbour.id])] });
      const bad = get(gateway, 'bad.default.localhost');
      assert.equal((await get(gateway, 'good.default.localhost')).status, 200, 'the neighbour answers meanwhile');
      const result = { answer: await bad, failure: await failure };
      assert.equal((await get(gateway, 'good.default.localhost')).status, 200, 'the neighbour answers afterwards');
      assert.equal(workload.stats().failures, 1);
      await Promise.all([workload.stop(0), neighbour.stop(0)]);
      return result;
    }

    test('inspect says what a component is for and what it imports', async () => {
      const info = await runtime.inspect(guest('hello'));
      assert.equal(info.kind, 'service');
      assert.ok(info.imports.includes('wasi:http/types@0.2.12'), info.imports.join());
      assert.equal((await runtime.inspect(guest('lines'))).kind, 'command');
    });

    test('inspect refuses what cannot run, and says why', async () => {
      const text = join(folder, 'text.wasm');
      await writeFile(text, '#!/bin/sh\n');
      const half = join(folder, 'half.wasm');
      await writeFile(half, (await readFile(guest('hello'))).subarray(0, 3000));
      await assert.rejects(runtime.inspect(text), rejectsWith('NotWasm', /not a WebAssembly file/));
      await assert.rejects(runtime.inspect(half), rejectsWith('Truncated', /ends early, at 3000 bytes/));
      await assert.rejects(runtime.inspect(join(guests, 'hello.core.wasm')), rejectsWith('NotAComponent', /jco new/));
      await assert.rejects(runtime.inspect(guest('stranger')), rejectsWith('UnsupportedImport', /copepod:guests\/nowhere/));
      await assert.rejects(runtime.inspect(guest('idle')), rejectsWith('NoEntryPoint', /it exports: idle/));
      await assert.rejects(runtime.inspect(join(folder, 'absent.wasm')), rejectsWith('Io', /absent\.wasm/));
    });

    test('a failed compilation leaves no file behind', async () => {
      const output = join(folder, 'never.cwasm');
      await assert.rejects(runtime.compile(guest('stranger'), output), rejectsWith('UnsupportedImport', /nowhere/));
      assert.deepEqual((await readdir(folder)).filter((file) => file.startsWith('never')), []);
    });

    test('a compiled file that was damaged, or is no compiled file, is never loaded', async () => {
      const compiled = join(folder, 'damaged.cwasm');
      await runtime.compile(guest('hello'), compiled);
      const bytes = await readFile(compiled);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 9) ^ 1, bytes.length - 9);
      await writeFile(compiled, bytes);
      await assert.rejects(runtime.load(compiled), rejectsWith('IncompatibleArtifact', /checksum/));
      await assert.rejects(runtime.load(guest('hello')), rejectsWith('IncompatibleArtifact', /not a compiled component/));
    });

    test('a service answers through the gateway by Host, and its output is in its log', async () => {
      const wanted = await spec('hello');
      const workload = await runtime.start(wanted);
      await proxy.apply({ services: [route('hello', [workload.id])] });
      assert.deepEqual(await get(gateway, 'Hello.default.localhost:8080'), { status: 200, body: 'hello, wasm\n' });
      await until('the log has the line', async () => /^\d{4}-\d\d-\d\dT[\d:.]+Z stdout F a request came\n$/.test(await readFile(wanted.log.path, 'utf8').catch(() => '')));
      await workload.stop(1000);
      assert.equal((await workload.exited).reason, 'Stopped');
    });

    test('an unknown host is told so, and a Service without endpoints is unavailable', async () => {
      await proxy.apply({ services: [route('empty', [])] });
      const unknown = await get(gateway, 'nobody.default.localhost');
      assert.equal(unknown.status, 404);
      assert.match(unknown.body, /nobody\.default\.localhost/);
      const empty = await get(gateway, 'empty.default.localhost');
      assert.equal(empty.status, 503);
      assert.match(empty.body, /empty\.default\.svc\.cluster\.local has no ready endpoints/);
    });

    test('ClusterIP and NodePort listeners open and close with the table, and a taken port is named', async () => {
      const stranger = createServer();
      const listening = (server: typeof stranger): Promise<number> =>
        new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)));
      const taken = await listening(stranger);
      const spare = createServer();
      const free = await listening(spare);
      await new Promise((resolve) => spare.close(resolve));
      const workload = await runtime.start(await spec('hello'));
      const ports = [{ port: free, nodePort: free, endpoints: [{ workload: workload.id }] }, { port: 81, nodePort: taken, endpoints: [{ workload: workload.id }] }];
      try {
        const failures = await proxy.apply({ services: [route('hello', [workload.id], { clusterIP: '127.96.7.7', ports })] });
        const expected: ListenerFailure = { host: '127.0.0.1', port: taken, code: 'PortInUse', service: 'hello.default.svc.cluster.local' };
        assert.deepEqual(failures.filter((failure) => failure.code === 'PortInUse'), [expected]);
        assert.equal((await get(free, 'anything', '127.96.7.7')).status, 200);
        assert.equal((await get(free, 'anything')).status, 200);
        await proxy.apply({ services: [] });
        await until('the ClusterIP is closed', () => get(free, 'x', '127.96.7.7').then(() => false, () => true));
      } finally {
        await workload.stop(0);
        await new Promise((resolve) => stranger.close(resolve));
      }
    });

    test('requests are spread over the endpoints, and swapping the table fails none', async () => {
      const replicas = await Promise.all(Array.from({ length: 4 }, async () => runtime.start(await spec('hello'))));
      const ids = replicas.map((replica) => replica.id);
      await proxy.apply({ services: [route('many', ids)] });
      const answers = Array.from({ length: 200 }, async (_, index) => {
        if (index % 20 === 0) await proxy.apply({ services: [route('many', ids.slice(index % 3))] });
        return (await get(gateway, 'many.default.localhost')).status;
      });
      assert.deepEqual([...new Set(await Promise.all(answers))], [200]);
      for (const replica of replicas) assert.ok(replica.stats().requests > 0, `${replica.id} got requests`);
      await Promise.all(replicas.map((replica) => replica.stop(1000)));
    });

    test('a trap is answered, told, and harms no neighbour', async () => {
      const { answer, failure } = await failing('trap');
      assert.equal(answer.status, 502);
      assert.equal(failure.reason, 'Trap');
      assert.equal(failure.exitCode, 134);
      assert.match(failure.message, /unreachable/);
    });

    test('an endless loop ends at the request deadline', async () => {
      const { answer, failure } = await failing('spin', { requestTimeoutMs: 200 });
      assert.equal(answer.status, 504);
      assert.equal(failure.reason, 'DeadlineExceeded');
      assert.match(failure.message, /200 ms/);
    });

    test('memory past the limit ends the instance as OOMKilled, with the limit named', async () => {
      const { failure } = await failing('bomb', { memoryBytes: 4 * MIB });
      assert.equal(failure.reason, 'OOMKilled');
      assert.equal(failure.exitCode, 137);
      assert.match(failure.message, /4194304/);
    });

    test('a guest that returns without an answer is a failure of its own', async () => {
      const { answer, failure } = await failing('silent');
      assert.equal(answer.status, 502);
      assert.equal(failure.reason, 'Error');
    });

    test('stop ends a request that outlives its deadline', async () => {
      const workload = await runtime.start(await spec('spin', { requestTimeoutMs: 60_000 }));
      await proxy.apply({ services: [route('spin', [workload.id])] });
      const answer = get(gateway, 'spin.default.localhost');
      await until('the request is in flight', () => workload.stats().inFlight === 1);
      await workload.stop(50);
      assert.equal((await answer).status, 503);
      assert.equal(workload.stats().inFlight, 0);
      await workload.stop(0);
    });

    test('a probe reaches a fresh instance and counts as nobody\'s failure', async () => {
      const good = await runtime.start(await spec('hello'));
      const bad = await runtime.start(await spec('trap'));
      const slow = await runtime.start(await spec('spin'));
      const probe = { path: '/healthz', headers: {}, timeoutMs: 1000 };
      assert.equal(await good.probe(probe), 200);
      await assert.rejects(bad.probe(probe), rejectsWith('Trap', /unreachable/));
      await assert.rejects(slow.probe({ ...probe, timeoutMs: 50 }), rejectsWith('DeadlineExceeded', /50 ms/));
      assert.equal(bad.stats().failures, 0);
      await Promise.all([good.stop(0), bad.stop(0), slow.stop(0)]);
    });

    test('a command runs to its exit and leaves its lines in the log', async () => {
      const wanted = await spec('lines');
      const workload = await runtime.start(wanted);
      assert.deepEqual(await workload.exited, { reason: 'Completed', exitCode: 0, message: '' });
      const written = async (): Promise<string[]> =>
        (await readFile(wanted.log.path, 'utf8').catch(() => '')).split('\n').filter(Boolean).map((line) => line.split(' ').slice(1).join(' ')).sort();
      await until('three lines are there', async () => (await written()).length === 3);
      assert.deepEqual(await written(), ['stderr F oops', 'stdout F one', 'stdout F two']);
    });

    test('commands end with their own code, with a trap, or when they are stopped', async () => {
      const fails = await runtime.start(await spec('fails'));
      assert.deepEqual(await fails.exited.then(({ reason, exitCode }) => ({ reason, exitCode })), { reason: 'Error', exitCode: 1 });
      const crash = await runtime.start(await spec('crash'));
      assert.equal((await crash.exited).reason, 'Trap');
      const busy = await runtime.start(await spec('busy'));
      await busy.stop(20);
      assert.deepEqual(await busy.exited.then(({ reason, exitCode }) => ({ reason, exitCode })), { reason: 'Stopped', exitCode: 137 });
    });

    test('a workload\'s id is its own, and a limit below one page is refused', async () => {
      const wanted = await spec('hello');
      const workload = await runtime.start(wanted);
      await assert.rejects(runtime.start(wanted), rejectsWith('AlreadyExists', new RegExp(wanted.id)));
      await assert.rejects(runtime.start(await spec('hello', { memoryBytes: 1024 })), rejectsWith('LimitTooSmall', /1024/));
      await workload.stop(0);
    });

    test('1,000 idle replicas of one component cost less than 16 KiB each', async () => {
      const base = await spec('hello');
      const resident = async (): Promise<number> => Number(/VmRSS:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) * 1024;
      const before = await resident();
      const replicas = await Promise.all(Array.from({ length: 1000 }, (_, index) => runtime.start({ ...base, id: `idle-${index}` })));
      const each = ((await resident()) - before) / replicas.length;
      assert.ok(each < 16 * 1024, `${Math.round(each)} bytes each`);
      await Promise.all(replicas.map((replica) => replica.stop(0)));
    });
  });
}
