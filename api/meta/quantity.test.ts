// Quantities in base units.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, parseQuantity } from './quantity.ts';

test('quantities are read in every suffix, and nothing else is', () => {
  const cases = [['64Mi', 67_108_864], ['250m', 0.25], ['1e3', 1000], ['2', 2], [1.5, 1.5], ['1G', 1e9], ['.5Gi', 536_870_912], ['-1', -1]] as const;
  for (const [text, value] of cases) assert.equal(parseQuantity(text), value, String(text));
  for (const text of ['', '12 apples', '1mi', 'Mi', '1e', '0x10']) assert.equal(parseQuantity(text), undefined, text);
});

test('bytes are written in the largest suffix that divides them', () => {
  assert.deepEqual([formatBytes(67_108_864), formatBytes(1500), formatBytes(2 ** 30)], ['64Mi', '1500', '1Gi']);
});
