// The log endpoint's reading of what the runtime wrote.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fakeClock } from '@copepod/client/clock';
import { type LogQuery, readLog } from './index.ts';

const ALL: LogQuery = { follow: false, tailLines: undefined, timestamps: false, sinceSeconds: undefined, limitBytes: undefined };
const line = (second: number, text: string, flag = 'F'): string => `2026-01-01T00:00:0${second}.000000000Z stdout ${flag} ${text}\n`;

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-logs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, '0.log');
}

async function read(path: string, query: Partial<LogQuery>, now = 1_700_000_000_000): Promise<string> {
  let text = '';
  for await (const chunk of readLog({ path, live: () => false }, { ...ALL, ...query }, fakeClock(now), new AbortController().signal)) text += new TextDecoder().decode(chunk);
  return text;
}

test('lines come without their prefix, partial ones joined, the rotated file first', async (t) => {
  const path = file(t);
  writeFileSync(`${path}.1`, line(1, 'first'));
  writeFileSync(path, `${line(2, 'sec', 'P')}${line(2, 'ond')}${line(3, 'third has  two spaces')}`);
  assert.equal(await read(path, {}), 'first\nsecond\nthird has  two spaces\n');
  assert.equal(await read(path, { tailLines: 1 }), 'third has  two spaces\n');
  assert.equal(await read(path, { tailLines: 0 }), '');
  assert.equal(await read(path, { tailLines: 1, timestamps: true }), '2026-01-01T00:00:03.000000000Z third has  two spaces\n');
  assert.equal(await read(path, { limitBytes: 8 }), 'first\nse');
  assert.equal(await read(path, { sinceSeconds: 2 }, Date.parse('2026-01-01T00:00:04.500Z')), 'third has  two spaces\n');
});

test('a log that is not there is empty, and an unfinished line waits for its end', async (t) => {
  const path = file(t);
  assert.equal(await read(path, {}), '');
  writeFileSync(path, `${line(1, 'whole')}2026-01-01T00:00:02Z stdout F cut`);
  assert.equal(await read(path, {}), 'whole\n');
});

test('following goes on over a rotation and ends with the container, after its last line', async (t) => {
  const path = file(t);
  writeFileSync(path, line(1, 'one'));
  const clock = fakeClock();
  let live = true;
  let text = '';
  const done = (async () => {
    for await (const chunk of readLog({ path, live: () => live }, { ...ALL, follow: true }, clock, new AbortController().signal)) text += new TextDecoder().decode(chunk);
  })();
  const until = async (wanted: string): Promise<void> => {
    for (let round = 0; round < 500; round += 1) {
      if (text === wanted) return;
      await clock.advance(200);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.equal(text, wanted);
  };
  await until('one\n');
  appendFileSync(path, line(2, 'two'));
  await until('one\ntwo\n');
  appendFileSync(path, line(3, 'three'));
  renameSync(path, `${path}.1`);
  writeFileSync(path, line(4, 'four'));
  await until('one\ntwo\nthree\nfour\n');
  appendFileSync(path, line(5, 'five'));
  live = false;
  await until('one\ntwo\nthree\nfour\nfive\n');
  await clock.advance(1000);
  await done;
});
