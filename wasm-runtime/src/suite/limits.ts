// How far a guest may go, one test for each limit: within it a guest passes, past it it is stopped and the statistics say so.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_LIMITS, LIMIT_NAMES, type LimitName, type Limits } from '../limits.ts';
import type { Answer } from './client.ts';
import { type Served, type Stage, MIB, rejectsWith, until } from './stage.ts';

/** Idle cores that say the machine had time for a guest. */
const SPARE = 0.4;

/** Of all cores together, since the machine was started. */
const idleMs = (): number => cpus().reduce((sum, { times }) => sum + times.idle, 0);

type Check = (stage: Stage, context: TestContext) => Promise<void>;

const hits = (served: Served, name: LimitName): number => served.workload.stats().limitHits[name] ?? 0;

async function wasHit(served: Served, name: LimitName): Promise<void> {
  await until(`${name} is counted as hit`, () => hits(served, name) > 0);
}

/** How many a guest got: of 0.2 in the body, of 0.3 in a header. */
const counted = ({ headers, body }: Answer): string => String(headers['x-answer'] ?? body);

/** A host outside that answers after `holdMs`. */
async function outside(context: TestContext, holdMs: number): Promise<string> {
  const server = createServer((_, response) => void pause(holdMs).then(() => response.end('x')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.closeAllConnections());
  context.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const HELD: Readonly<Record<LimitName, Check>> = {
  async memory(stage, context) {
    const served = await stage.serve(context, 'limits', { limits: { memoryBytes: 4 * MIB } });
    assert.equal((await served.ask('/memory?pages=20')).status, 200);
    assert.equal(hits(served, 'memory'), 0);
    assert.equal((await served.ask('/memory?pages=100')).status, 502);
    await until('it is told', () => served.failures.length === 1);
    assert.equal(served.failures[0]?.reason, stage.abilities.seesRefusedGrowth ? 'OOMKilled' : 'Trap');
    const bomb = await stage.serve(context, 'bomb', { limits: { memoryBytes: 4 * MIB } });
    assert.equal((await bomb.ask()).status, 502);
    await until('it is told', () => bomb.failures.length === 1);
    const [failure] = bomb.failures;
    assert.deepEqual({ reason: failure?.reason, exitCode: failure?.exitCode }, { reason: 'OOMKilled', exitCode: 137 });
    assert.match(failure?.message ?? '', /4194304/);
    await wasHit(bomb, 'memory');
    await assert.rejects(async () => stage.runtime.start(await stage.spec('hello', { limits: { memoryBytes: 1024 } })), rejectsWith('LimitTooSmall', /1024/));
  },

  async tableElements(stage, context) {
    const served = await stage.serve(context, 'table', { limits: { tableElements: 8000 } });
    assert.equal((await served.ask('/007')).status, 200);
    assert.equal((await served.ask('/009')).status, 502);
    await until('it is told', () => served.failures.length === 1);
    assert.match(served.failures[0]?.message ?? '', /8000 table elements/);
    await wasHit(served, 'tableElements');
    await assert.rejects(async () => stage.runtime.start(await stage.spec('table', { limits: { tableElements: 0 } })), rejectsWith('LimitTooSmall', /table/));
  },

  async requestTime(stage, context) {
    const [quick, spin] = [await stage.serve(context, 'echo', { limits: { requestTimeoutMs: 5000 } }), await stage.serve(context, 'spin', { limits: { requestTimeoutMs: 200 } })];
    assert.equal((await quick.ask('/sleep?ms=50')).status, 200);
    assert.equal(hits(quick, 'requestTime'), 0);
    const asked = spin.ask();
    assert.equal((await quick.ask()).status, 200, 'the neighbour answers meanwhile');
    assert.equal((await asked).status, 504);
    await until('it is told', () => spin.failures.length === 1);
    const [failure] = spin.failures;
    assert.deepEqual({ reason: failure?.reason, exitCode: failure?.exitCode }, { reason: 'DeadlineExceeded', exitCode: 124 });
    assert.match(failure?.message ?? '', /200 ms/);
    await wasHit(spin, 'requestTime');
    const asleep = await stage.serve(context, 'echo', { limits: { requestTimeoutMs: 200 } });
    assert.equal((await asleep.ask('/sleep?ms=60000')).status, 504);
    await wasHit(asleep, 'requestTime');
    if (!stage.abilities.concurrent) return;
    const limits = { requestTimeoutMs: 300, memoryBytes: 32 * MIB };
    const third = await stage.serve(context, 'service3', { limits });
    assert.equal((await third.ask('/spin')).status, 504);
    await wasHit(third, 'requestTime');
    const blocked = await stage.serve(context, 'blocking3', { limits });
    assert.equal((await blocked.ask('/sleep?ms=60000')).status, 504);
    await wasHit(blocked, 'requestTime');
  },

  async cpu(stage, context) {
    const served = await stage.serve(context, 'limits', { limits: { cpuMillis: 250, requestTimeoutMs: 30_000 } });
    const free = await stage.serve(context, 'limits');
    assert.equal((await free.ask('/cpu?ms=50')).status, 200);
    assert.equal(hits(free, 'cpu'), 0);
    const began = performance.now();
    const { cpuNanos: before } = served.workload.stats();
    const idleBefore = idleMs();
    // Two at once: the share is the workload's, over all its instances.
    await Promise.all([served.ask('/cpu?ms=10000'), served.ask('/cpu?ms=10000')]);
    const took = performance.now() - began;
    const share = (served.workload.stats().cpuNanos - before) / 1e6 / took;
    assert.ok(share < 0.275, `it had ${share.toFixed(3)} of a core`);
    // A share is a bound and no reservation: where others took every core, guests that are busy come last.
    const idle = (idleMs() - idleBefore) / took;
    if (idle > SPARE) assert.ok(share > 0.225, `it had ${share.toFixed(3)} of a core, and ${idle.toFixed(2)} were idle`);
    else context.diagnostic(`${idle.toFixed(2)} cores were idle: whether it got all of its share was not judged`);
    await wasHit(served, 'cpu');
  },

  async concurrency(stage, context) {
    const served = await stage.serve(context, 'echo', { limits: { concurrency: 2 } });
    const answers = Promise.all(Array.from({ length: 8 }, async () => served.ask('/sleep?ms=300')));
    const statuses = (await answers).map(({ status }) => status).sort((a, b) => a - b);
    // Two run, two wait, the rest are told so.
    assert.deepEqual(statuses, [200, 200, 200, 200, 503, 503, 503, 503]);
    await wasHit(served, 'concurrency');
    assert.equal((await served.ask('/status')).status, 200);
  },

  async requestBody(stage, context) {
    const served = await stage.serve(context, 'echo', { limits: { requestBodyBytes: 10_000 } });
    assert.equal((await served.ask('/echo', { method: 'POST', body: 'x'.repeat(10_000), headers: { 'content-length': '10000' } })).body.length, 10_000);
    assert.equal(hits(served, 'requestBody'), 0);
    assert.equal((await served.ask('/echo', { method: 'POST', body: 'x'.repeat(10_001), headers: { 'content-length': '10001' } })).status, 413);
    await wasHit(served, 'requestBody');
    // Without a length it is noticed on the way.
    const before = hits(served, 'requestBody');
    await served.ask('/echo', { method: 'POST', body: 'x'.repeat(100_000) }).catch(() => {});
    await until('it is counted again', () => hits(served, 'requestBody') > before);
  },

  async responseBody(stage, context) {
    const served = await stage.serve(context, 'echo', { limits: { responseBodyBytes: 10_000 } });
    assert.equal((await served.ask('/big?bytes=10000')).body.length, 10_000);
    assert.equal(hits(served, 'responseBody'), 0);
    await assert.rejects(served.ask('/big?bytes=1000000'));
    await wasHit(served, 'responseBody');
  },

  async headers(stage, context) {
    const served = await stage.serve(context, 'echo', { limits: { headerBytes: 4096 } });
    assert.equal((await served.ask('/headers', { headers: { 'x-long': 'x'.repeat(3000) } })).status, 200);
    assert.equal(hits(served, 'headers'), 0);
    assert.equal((await served.ask('/headers', { headers: { 'x-long': 'x'.repeat(4096) } })).status, 431);
    await wasHit(served, 'headers');
    if (!stage.abilities.fullHttp) return;
    assert.equal((await served.ask('/header?bytes=3000')).headers['x-long']?.length, 3000);
    const before = hits(served, 'headers');
    assert.notEqual((await served.ask('/header?bytes=5000')).status, 200);
    await until('it is counted', () => hits(served, 'headers') > before);
  },

  async log(stage, context) {
    const served = await stage.serve(context, 'echo', { limits: { logBytesPerSecond: 5000 } });
    assert.equal((await served.ask('/print?bytes=1000')).status, 200);
    await until('ten lines are there', async () => (await served.log()).split('\n').length === 11);
    assert.equal(hits(served, 'log'), 0);
    assert.equal((await served.ask('/print?bytes=100000')).status, 200);
    await wasHit(served, 'log');
    assert.ok((await served.log()).length < 20_000, 'the rest is lost');
    await until('the log says that lines were lost', async () => {
      await served.ask('/print?bytes=100');
      return /lines? (were |was )?(lost|dropped)/.test(await served.log());
    });
  },

  async handles(stage, context) {
    const served = await stage.serve(context, 'limits', { limits: { handles: 100 } });
    assert.equal((await served.ask('/handles?n=80')).status, 200);
    assert.equal((await served.ask('/handles?n=200')).status, 502);
    await until('it is told', () => served.failures.length === 1);
    assert.match(served.failures[0]?.message ?? '', /100 handles/);
    await wasHit(served, 'handles');
  },

  async sockets(stage, context) {
    const grants = { egress: ['10.0.0.0/8:*'] };
    for (const guest of ['sockets', 'blocking3']) {
      const said = async (served: Served): Promise<string> => counted(await served.ask('/many?n=6'));
      const wide = await stage.serve(context, guest, { grants });
      assert.equal(await said(wide), '6', guest);
      assert.equal(hits(wide, 'sockets'), 0);
      const narrow = await stage.serve(context, guest, { grants, limits: { sockets: 4 } });
      assert.equal(await said(narrow), '4', guest);
      await wasHit(narrow, 'sockets');
    }
  },

  async files(stage, context) {
    const grants = { mounts: [{ host: stage.folder, guest: '/data', writable: false }] };
    for (const guest of ['files', 'blocking3']) {
      const said = async (served: Served): Promise<string> => counted(await served.ask('/open?path=.&n=6'));
      const wide = await stage.serve(context, guest, { grants });
      assert.equal(await said(wide), '6', guest);
      assert.equal(hits(wide, 'files'), 0);
      const narrow = await stage.serve(context, guest, { grants, limits: { files: 4 } });
      assert.equal(await said(narrow), '4', guest);
      await wasHit(narrow, 'files');
    }
  },

  async egress(stage, context) {
    const to = await outside(context, 300);
    const served = await stage.serve(context, 'fetch', { grants: { egress: [to] }, limits: { egressConnections: 3 } });
    assert.equal((await served.ask(`/many?to=${to}&n=3`)).body, '0');
    assert.equal(hits(served, 'egress'), 0);
    assert.equal((await served.ask(`/many?to=${to}&n=5`)).body, '2');
    await wasHit(served, 'egress');
    await until('they are given back', async () => (await served.ask(`/many?to=${to}&n=3`)).body === '0');
  },
};

/** A value below the default, to see it refused where it is not held. */
const LOWER: Readonly<Record<LimitName, Partial<Limits>>> = {
  memory: { memoryBytes: 2 * MIB }, tableElements: { tableElements: 100 }, requestTime: { requestTimeoutMs: 100 }, cpu: { cpuMillis: 100 }, concurrency: { concurrency: 1 },
  requestBody: { requestBodyBytes: 1 }, responseBody: { responseBodyBytes: 1 }, headers: { headerBytes: 256 }, log: { logBytesPerSecond: 1 }, handles: { handles: 100 },
  sockets: { sockets: 1 }, files: { files: 1 }, egress: { egressConnections: 1 },
};

/** Nothing that they bound is ever granted there. */
const NEEDS = { sockets: 'egress', files: 'mounts', egress: 'egress' } as const satisfies Partial<Record<LimitName, string>>;

export function limitTests(at: () => Stage): void {
  test('every limit has a test and a value', () => {
    assert.deepEqual(Object.keys(HELD).sort(), [...LIMIT_NAMES].sort());
    assert.equal(Object.keys(DEFAULT_LIMITS).length, LIMIT_NAMES.length);
    assert.deepEqual(Object.values(LOWER).flatMap((lower) => Object.keys(lower)).sort(), Object.keys(DEFAULT_LIMITS).sort());
  });

  for (const name of LIMIT_NAMES) {
    test(`held and counted, or refused: ${name}`, async (context) => {
      const stage = at();
      if (stage.abilities.limits.includes(name)) return HELD[name](stage, context);
      const needs = name in NEEDS ? NEEDS[name as keyof typeof NEEDS] : undefined;
      if (needs !== undefined) return assert.ok(!stage.abilities.grants.includes(needs), `${needs} is granted, and ${name} not held`);
      await assert.rejects(async () => stage.runtime.start(await stage.spec('hello', { limits: LOWER[name] })), rejectsWith('Unsupported'));
    });
  }
}
