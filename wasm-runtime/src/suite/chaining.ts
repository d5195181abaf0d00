// Services that call Services, inside the process.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Served, type Stage, routeTo, until } from './stage.ts';

const authority = (served: Served): string => `${served.workload.id}.default.svc.cluster.local`;

export function chainingTests(at: () => Stage): void {
  test('a guest\'s request to a Service is answered where that is possible, and is an error of its own elsewhere', async (context) => {
    const { serve, abilities } = at();
    const [fetch, echo] = [await serve(context, 'fetch'), await serve(context, 'echo')];
    const { body } = await fetch.ask(`/?to=${authority(echo)}&path=${encodeURIComponent('/status?code=201&text=made')}`);
    assert.match(body, abilities.chaining ? /^201 made$/ : /^error \d+$/);
  });

  test('a short name is completed by the search domains', async (context) => {
    const { serve, abilities } = at();
    if (!abilities.chaining) return;
    const [fetch, echo] = [await serve(context, 'fetch'), await serve(context, 'echo')];
    assert.equal((await fetch.ask(`/?to=${echo.workload.id}&path=/status`)).body, '200 ');
  });

  test('bodies stream through two Services, with their trailers', async (context) => {
    const { serve, abilities } = at();
    if (!abilities.chaining) return;
    const echo = await serve(context, 'echo');
    // The first sends all of its request before it reads the answer, so that it must fit what is held on the way.
    const chains = [[await serve(context, 'fetch'), '/through', 'abcdefgh'.repeat(1000)], [await serve(context, 'blocking3'), '/fetch', 'abcdefgh'.repeat(100_000)]] as const;
    for (const [first, path, body] of chains) {
      const answer = await first.ask(`${path}?to=${authority(echo)}&path=/echo`, { method: 'POST', body, headers: { te: 'trailers' }, trailers: { 'x-end': 'over' } });
      assert.equal(answer.status, 200, first.workload.id);
      assert.equal(answer.body.length, body.length, first.workload.id);
      assert.equal(answer.trailers['x-end'], 'over', first.workload.id);
    }
    assert.equal(echo.workload.stats().requests, 2);
  });

  test('a chained request carries traceparent and what is left of the deadline, and nobody outside can say them', async (context) => {
    const { serve, abilities } = at();
    if (!abilities.chaining) return;
    const [fetch, echo] = [await serve(context, 'fetch', { limits: { requestTimeoutMs: 400 } }), await serve(context, 'echo')];
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const headers = { traceparent, 'copepod-hops': '15', 'copepod-deadline': '1', 'copepod-workload': 'x' };
    const { body } = await fetch.ask(`/?to=${authority(echo)}&path=/headers`, { headers });
    assert.match(body, new RegExp(`traceparent: ${traceparent}`));
    assert.match(body, /copepod-hops: 1\n/);
    const left = Number(/copepod-deadline: (\d+)/.exec(body)?.[1]);
    assert.ok(left > 1 && left <= 400, `${left} ms are left`);
    // The two deadlines are one: either the callee is ended first, and its caller says so, or the caller is.
    const late = await fetch.ask(`/?to=${authority(echo)}&path=${encodeURIComponent('/sleep?ms=5000')}`);
    assert.match(`${late.status} ${late.body}`, /^(200 )?504 DeadlineExceeded/);
    await until('the callee is ended with its caller', () => echo.workload.stats().inFlight === 0);
  });

  test('Services that call each other in a ring are told so', async (context) => {
    const { serve, abilities } = at();
    if (!abilities.chaining) return;
    const fetch = await serve(context, 'fetch');
    const ring = await fetch.ask(`/ring?to=${authority(fetch)}`);
    assert.equal(ring.status, 508);
    assert.match(ring.body, /passed 16 Services/);
    assert.equal(fetch.workload.stats().requests, 17);
  });

  test('a Service that is gone, or not ready, is a 503 to its caller', async (context) => {
    const { serve, route, abilities } = at();
    if (!abilities.chaining) return;
    const fetch = await serve(context, 'fetch');
    await route([routeTo('empty', [])]);
    assert.match((await fetch.ask('/?to=empty')).body, /^503 .*no ready endpoints/);
    await route([]);
  });
}
