// A short soak, of every sixth hostile guest; `npm run test:soak` is the long one, of all of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRuntime } from '../open.ts';
import { soak } from '../suite/soak.ts';

test('hostile guests leave nothing behind', async () => {
  const { before, after, threadsLeft, inFlight, limitHits } = await soak(openRuntime(), { rounds: 600, warmUp: 400, every: 6 });
  assert.ok(after.resident < before.resident * 1.05, `memory grew from ${before.resident} to ${after.resident} bytes`);
  assert.ok(after.descriptors <= before.descriptors, `${before.descriptors} descriptors became ${after.descriptors}`);
  assert.equal(threadsLeft, 0);
  assert.equal(inFlight, 0);
  assert.ok(Object.keys(limitHits).length >= 2, JSON.stringify(limitHits));
});
