// Power loss: everything the store wrote to its file is recorded in order, with its syncs and its answers, and the file is built again as
// a disk might show it after a cut at any moment: what was synced is there, of what was not each sector may be or not. Then the store
// must open and show everything it had acknowledged by then. COPEPOD_POWER_CUTS says how many moments.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkStore, emptyModel } from '../checker.ts';
import { randomOf, seedOf } from '../random.ts';

const CUTS = Number(process.env['COPEPOD_POWER_CUTS'] ?? '60');
const SECTOR = 512;

interface Entry {
  readonly type: string;
  readonly offset: number;
  readonly bytes: Buffer;
}

function readJournal(path: string): readonly Entry[] {
  const content = readFileSync(path);
  const entries: Entry[] = [];
  for (let at = 0; at + 13 <= content.length;) {
    const length = content.readUInt32LE(at + 9);
    if (at + 13 + length > content.length) break;
    entries.push({ type: String.fromCharCode(content[at] ?? 0), offset: Number(content.readBigInt64LE(at + 1)), bytes: content.subarray(at + 13, at + 13 + length) });
    at += 13 + length;
  }
  return entries;
}

/** How many entries there are up to the first acknowledgement after the next write behind `count`. */
function firstAcknowledgement(entries: readonly Entry[], count: number): number {
  const written = entries.findIndex(({ type }, index) => index >= count && type !== 'A');
  const answered = entries.findIndex(({ type, bytes }, index) => index > written && type === 'A' && bytes.toString('latin1', 0, 1) === '!');
  return written < 0 || answered < 0 ? count : answered + 1;
}

/** The file after a cut right after the first `count` entries. */
function imageAfter(entries: readonly Entry[], count: number, random: () => number): Buffer {
  const seen = entries.slice(0, count);
  const image = Buffer.alloc(seen.reduce((end, { type, offset, bytes }) => (type === 'A' ? end : Math.max(end, offset + bytes.length)), 0));
  const synced = seen.findLastIndex(({ type }) => type === 'S');
  for (const [index, { type, offset, bytes }] of seen.entries()) {
    if (type === 'D' || (type === 'W' && index < synced)) bytes.copy(image, offset);
    if (type !== 'W' || index < synced) continue;
    const fate = random();
    for (let at = 0; at < bytes.length; at += SECTOR) {
      if (fate < 0.3 || (fate < 0.7 && random() < 0.5)) bytes.copy(image, offset + at, at, Math.min(at + SECTOR, bytes.length));
    }
  }
  return image;
}

function storeOf(path: string, image: Buffer): string {
  mkdirSync(path);
  writeFileSync(join(path, 'data.mdb'), image);
  return path;
}

function saidBy(entries: readonly Entry[], count: number): readonly string[] {
  return entries.slice(0, count).filter(({ type }) => type === 'A').map(({ bytes }) => bytes.toString()).join('').split('\n');
}

test(`what was acknowledged survives ${CUTS} cuts of power, whatever the disk did with what was not synced`, { timeout: 60_000 + CUTS * 1000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-power-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const recorder = join(folder, 'journal.so');
  const built = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', recorder, join(import.meta.dirname, 'journal.c'), '-ldl', '-lpthread'], { encoding: 'utf8' });
  if (built.status !== 0) {
    t.skip(`the recorder cannot be built: ${built.error?.message ?? built.stderr}`);
    return;
  }
  const seed = seedOf();
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const path = join(folder, 'store');
  mkdirSync(path);
  const journal = join(folder, 'journal');
  const worker = spawn(process.execPath, [join(import.meta.dirname, '..', 'worker.ts'), path, String(seed), '1', 'plain'], {
    stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LD_PRELOAD: recorder, COPEPOD_JOURNAL: journal, COPEPOD_JOURNAL_FILE: join(path, 'data.mdb') },
  });
  const closed = once(worker, 'close');
  let acknowledged = 0;
  for await (const chunk of worker.stdout.setEncoding('utf8')) {
    acknowledged += String(chunk).split('\n!').length - 1;
    if (acknowledged > 600) worker.kill('SIGKILL');
  }
  await closed;

  const entries = readJournal(journal);
  const opened = entries.findIndex(({ type }) => type === 'A');
  let checked = 0;
  for (let cut = 0; cut < CUTS; cut += 1) {
    let count = opened + 1 + Math.floor(random() * (entries.length - opened));
    // Half of them right after the first acknowledgement that follows a write: the moment that gives away one given too early.
    if (random() < 0.5) count = firstAcknowledgement(entries, count);
    const image = storeOf(join(folder, `cut-${cut}`), imageAfter(entries, count, random));
    const lines = saidBy(entries, count);
    const model = emptyModel();
    try {
      await checkStore(image, model, lines);
    } catch (error) {
      throw new Error(`cut after ${count} of ${entries.length} entries, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    checked += model.acknowledged;
    rmSync(image, { recursive: true });
  }
  // And it would be seen: the last transaction acknowledged, with the disk as it was before that was synced.
  const answered = firstAcknowledgement(entries, opened + Math.floor((entries.length - opened) / 2));
  const synced = entries.findLastIndex(({ type }, index) => index < answered && type === 'D');
  const early = storeOf(join(folder, 'early'), imageAfter(entries, synced, () => 0.99));
  await assert.rejects(checkStore(early, emptyModel(), saidBy(entries, answered)), /was acknowledged at revision/);
  const syncs = entries.filter(({ type }) => type === 'S' || type === 'D').length;
  t.diagnostic(`${entries.length} entries, ${syncs} of them durable; ${CUTS} cuts, ${checked} acknowledged writes found again`);
});
