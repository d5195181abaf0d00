// The short form of failover.ts: each loss once, held against generous bounds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Loss, LOSSES, measure } from './failover.ts';
import { withoutEtcd } from './masters.ts';

/** Longest that writes and the agent may go without, milliseconds: several times what is measured on a machine at rest. */
const BOUNDS: Readonly<Record<Loss, number>> = { master: 5000, etcd: 8000, machine: 11_000 };

for (const loss of LOSSES) {
  test(`writes and agents go on after the loss of: ${loss}`, { skip: withoutEtcd, timeout: 120_000 }, async () => {
    const [outage] = await measure(loss, 1);
    assert.ok(outage !== undefined && outage.writesMs < BOUNDS[loss] && outage.agentMs < BOUNDS[loss], JSON.stringify(outage));
  });
}
