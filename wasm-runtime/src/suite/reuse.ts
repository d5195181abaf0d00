// Instances that answer more than one request, and instances made ready before one comes.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Reuse } from '../limits.ts';
import { type Served, type Stage, rejectsWith, until } from './stage.ts';

const pooled = (changes: Partial<Extract<Reuse, { is: 'pooled' }>> = {}): Reuse => ({ is: 'pooled', max: 100, idleMs: 60_000, concurrent: 8, ...changes });
const ROOM = { memoryBytes: 32 * 2 ** 20 };

interface Held {
  /** Ends the bodies; what was answered. */
  release(): Promise<readonly string[]>;
}

/** So many requests inside at once: their bodies are not at their end. */
async function hold(service: Served, count: number): Promise<Held> {
  const open = Array.from({ length: count }, () => {
    const outgoing = request({ host: '127.0.0.1', port: service.gateway, path: '/hold', method: 'POST', headers: { host: service.host }, agent: false });
    const answer = once(outgoing, 'response').then(async ([response]) => {
      let body = '';
      for await (const chunk of response as IncomingMessage) body += String(chunk);
      return body;
    });
    outgoing.write('x');
    return { outgoing, answer };
  });
  await until(`${count} are inside`, () => service.workload.stats().inFlight === count);
  return {
    release() {
      for (const { outgoing } of open) outgoing.end();
      return Promise.all(open.map(async ({ answer }) => answer));
    },
  };
}

export function reuseTests(at: () => Stage): void {
  test('each request finds an instance nobody used before', async (context) => {
    const counter = await at().serve(context, 'counter');
    assert.deepEqual([(await counter.ask()).body, (await counter.ask()).body], ['1', '1']);
    await until('both instances are counted', () => counter.workload.stats().requests === 2);
  });

  test('an engine without reuse refuses it', async () => {
    const { abilities, runtime, spec } = at();
    if (abilities.reuse) return;
    await assert.rejects(async () => runtime.start(await spec('counter', { reuse: pooled() })), rejectsWith('Unsupported', /reuse/));
    await assert.rejects(async () => runtime.start(await spec('counter', { warm: 2 })), rejectsWith('Unsupported', /warm/));
  });

  test('a pooled instance answers again, as often as it may, and never after a bad end', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    const counter = await serve(context, 'counter', { reuse: pooled({ max: 3 }) });
    const bodies: string[] = [];
    for (let round = 0; round < 7; round += 1) bodies.push((await counter.ask()).body);
    assert.deepEqual(bodies, ['1', '2', '3', '1', '2', '3', '1']);
    assert.equal((await counter.ask('/trap')).status, 502);
    assert.equal((await counter.ask()).body, '1');
    assert.equal(counter.workload.stats().instances, 4);
  });

  test('a pooled instance of 0.2 answers one after the other', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    const counter = await serve(context, 'counter', { reuse: pooled() });
    const bodies = await Promise.all([counter.ask('/sleep?ms=100'), counter.ask('/sleep?ms=100'), counter.ask('/sleep?ms=100')]);
    assert.deepEqual(bodies.map(({ body }) => body), ['1', '1', '1']);
  });

  test('a pooled instance nobody asks is dropped', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    for (const [guest, path] of [['counter', '/'], ['service3', '/count']] as const) {
      const counter = await serve(context, guest, { reuse: pooled({ idleMs: 20 }), limits: ROOM });
      assert.equal((await counter.ask(path)).body, '1');
      // Dropped within a round of its timer, so that a later request finds a fresh one.
      await until('a fresh instance answers', async () => {
        await pause(60);
        return (await counter.ask(path)).body === '1';
      });
      assert.ok(counter.workload.stats().instances >= 2);
    }
  });

  test('one instance of WASI 0.3 answers several requests at the same time, up to its bound', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    const service = await serve(context, 'service3', { reuse: pooled({ concurrent: 4 }), limits: ROOM });
    const held = await hold(service, 4);
    assert.equal((await service.ask('/count')).body, '1');
    assert.equal(service.workload.stats().instances, 2, 'a fifth request gets another instance');
    assert.deepEqual(await held.release(), Array.from({ length: 4 }, () => '4 at once'));
    const again = await hold(service, 5);
    await service.workload.stop(0);
    assert.equal((await again.release()).filter((body) => body.startsWith('Stopped')).length, 5);
  });

  test('an instance of WASI 0.3 takes as many requests in its life as it may', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    const service = await serve(context, 'service3', { reuse: pooled({ max: 2, concurrent: 1 }), limits: ROOM });
    const bodies: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      bodies.push((await service.ask('/count')).body);
      // The client may have its answer before its place is free again.
      await until('it is over', () => service.workload.stats().inFlight === 0);
    }
    assert.deepEqual(bodies, ['1', '2', '1', '2', '1']);
  });

  test('a trap ends every request of a shared instance, and the next finds another', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    const service = await serve(context, 'service3', { reuse: pooled(), limits: ROOM });
    const held = await hold(service, 2);
    assert.equal((await service.ask('/trap')).status, 502);
    for (const body of await held.release()) assert.match(body, /^Trap/);
    assert.equal((await service.ask('/count')).body, '1');
    assert.equal(service.workload.stats().instances, 2);
  });

  test('warm instances are there before a request is, and are made again after it', async (context) => {
    const { abilities, serve } = at();
    if (!abilities.reuse) return;
    const counter = await serve(context, 'counter', { warm: 3 });
    await until('three are made', () => counter.workload.stats().instances === 3);
    assert.equal((await counter.ask()).body, '1');
    await until('the one that was used is replaced', () => counter.workload.stats().instances === 4);
    assert.equal((await counter.ask()).body, '1', 'a warm one is fresh all the same');
  });
}
