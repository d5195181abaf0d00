// Leadership on a real store: one leads, another takes over, and what the deposed one still writes is refused.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { LEASE } from '@copepod/api/kinds';
import { systemClock } from '@copepod/client/clock';
import { resourceClient } from '@copepod/client/rest';
import { ADMIN } from '../main.ts';
import { startTestPlane } from '../testing.ts';
import { createMemoryStorage, isStorageError } from '../storage/index.ts';
import { behindFence, raiseFence, runElection } from './index.ts';

const TIMES = { leaseMs: 1000, renewMs: 700, retryMs: 50 };
const bytes = new Uint8Array([1]);

function candidate(t: TestContext, transport: Parameters<typeof runElection>[0]['transport'], identity: string, log: string[]): AbortController {
  const stop = new AbortController();
  const running = runElection({
    transport, clock: systemClock, name: 'test', identity, times: TIMES, onError: (error) => log.push(`${identity}: ${String(error)}`),
    lead: async (_, signal) => {
      log.push(`${identity} leads`);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      log.push(`${identity} led`);
    },
  }, stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  return stop;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    assert.ok(performance.now() < end, 'it did not come');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('one of two leads; when it goes the other follows at once, and the lease tells of it', async (t) => {
  const plane = await startTestPlane(t, { store: 'memory' });
  const transport = plane.transportFor(ADMIN);
  const log: string[] = [];
  const first = candidate(t, transport, 'first', log);
  await until(() => log.length === 1);
  candidate(t, transport, 'second', log);
  const lease = async (): Promise<string> => (await resourceClient(transport, LEASE).get({ namespace: 'kube-system', name: 'test' })).spec?.holderIdentity ?? '';
  assert.equal(await lease(), 'first');
  first.abort();
  await until(() => log.length === 3);
  assert.deepEqual(log, ['first leads', 'first led', 'second leads']);
  const { spec } = await resourceClient(transport, LEASE).get({ namespace: 'kube-system', name: 'test' });
  assert.deepEqual([spec?.holderIdentity, spec?.leaseTransitions, spec?.leaseDurationSeconds], ['second', 1, 1]);
});

test('a leader whose lease somebody else took ends its term', async (t) => {
  const plane = await startTestPlane(t, { store: 'memory' });
  const transport = plane.transportFor(ADMIN);
  const log: string[] = [];
  candidate(t, transport, 'first', log);
  await until(() => log.length === 1);
  await resourceClient(transport, LEASE).patch({ namespace: 'kube-system', name: 'test' }, { type: 'merge', body: { spec: { holderIdentity: 'thief', leaseDurationSeconds: 60 } } });
  await until(() => log.length === 2);
  assert.deepEqual(log, ['first leads', 'first led']);
});

test('the writes of a term are refused once the next has begun', async (t) => {
  const storage = createMemoryStorage();
  t.after(() => storage.close());
  const take = (expect: number): Promise<number> => storage.commit([{ type: 'put', key: '/lease', value: bytes, expect }]);
  const first = await take(0);
  const term = async (identity: string, revision: number): Promise<{ readonly store: ReturnType<typeof behindFence>; readonly deposed: () => number }> => {
    let deposed = 0;
    const fence = await raiseFence({ storage, name: 'role', identity, lease: { key: '/lease', revision } });
    return { store: behindFence(storage, fence, () => void (deposed += 1)), deposed: () => deposed };
  };
  const old = await term('old', first);
  await old.store.commit([{ type: 'put', key: '/a', value: bytes, expect: 0 }]);
  await assert.rejects(old.store.commit([{ type: 'put', key: '/a', value: bytes, expect: 0 }]), (error) => isStorageError(error, 'Conflict') && error.key === '/a');
  const second = await take(first);
  const next = await term('next', second);
  await assert.rejects(old.store.commit([{ type: 'put', key: '/late', value: bytes, expect: 0 }]), (error) => isStorageError(error, 'Unavailable'));
  assert.deepEqual([await storage.get('/late'), old.deposed(), next.deposed()], [undefined, 1, 0]);
  await next.store.commit([{ type: 'put', key: '/b', value: bytes, expect: 0 }]);
  await assert.rejects(term('old', first), (error) => isStorageError(error, 'Conflict') && error.key === '/lease');
});
