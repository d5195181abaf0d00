// Durations in milliseconds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from './duration.ts';

test('durations are read in every unit and in several at once, and nothing else is', () => {
  const cases = [['500ms', 500], ['30s', 30_000], ['1.5s', 1500], ['2m', 120_000], ['1h30m', 5_400_000], ['1d', 86_400_000], ['0s', 0]] as const;
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
  for (const text of ['', '30', 's', '-1s', '1 s', '1w', '1s2', 'forever']) assert.equal(parseDuration(text), undefined, text);
});

test('durations are written in the largest unit that divides them', () => {
  assert.deepEqual([500, 30_000, 90_000, 7_200_000, 86_400_000, 0].map(formatDuration), ['500ms', '30s', '90s', '2h', '1d', '0ms']);
});
