// `kill -9` at random moments under load: while opening, writing, compacting, defragmenting. COPEPOD_CRASH_ROUNDS and COPEPOD_SEED
// say how many rounds and which; the seed is printed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkStore, emptyModel } from './checker.ts';
import { randomOf, seedOf } from './random.ts';

const ROUNDS = Number(process.env['COPEPOD_CRASH_ROUNDS'] ?? '20');
const WORKER = join(import.meta.dirname, 'worker.ts');

interface Worker {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** Resolves at the first line that begins so, or at the end of the process. */
  until(start: string): Promise<void>;
  ended: Promise<unknown>;
}

function startWorker(path: string, seed: number, round: number): Worker {
  const child = spawn(process.execPath, [WORKER, path, String(seed), String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  let rest = '';
  let heard = (): void => {};
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const all = (rest + chunk).split('\n');
    rest = all.pop() ?? '';
    lines.push(...all);
    heard();
  });
  const ended = once(child, 'close').then(() => heard());
  return {
    child, lines, ended,
    until: (start) => new Promise((resolve) => {
      heard = () => {
        if (child.exitCode !== null || child.signalCode !== null || lines.some((line) => line.startsWith(start))) resolve();
      };
      heard();
    }),
  };
}

test(`what was acknowledged survives ${ROUNDS} kills, and nothing is there in part`, { timeout: 60_000 + ROUNDS * 5000 }, async (t) => {
  const seed = seedOf();
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const path = mkdtempSync(join(tmpdir(), 'copepod-crash-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const model = emptyModel();
  let copies = 0;
  for (let round = 1; round <= ROUNDS; round += 1) {
    const worker = startWorker(path, seed, round);
    const moment = random();
    if (moment < 0.1) await sleep(random() * 250);
    else {
      await worker.until(moment < 0.5 ? '!' : 'compacted');
      await sleep(random() ** 2 * 400);
    }
    const copy = random() < 0.3 ? `${path}.copy` : undefined;
    if (copy !== undefined) {
      // The files as they are in the middle of whatever it was doing, in another place, are a store as well.
      await stopped(worker.child);
      cpSync(path, copy, { recursive: true });
      copies += 1;
    }
    worker.child.kill('SIGKILL');
    await worker.ended;
    try {
      if (copy !== undefined) await checkStore(copy, { ...model, values: new Map(model.values) }, worker.lines);
      await checkStore(path, model, worker.lines);
    } catch (error) {
      throw new Error(`round ${round} of seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    } finally {
      if (copy !== undefined) rmSync(copy, { recursive: true, force: true });
    }
  }
  t.diagnostic(`${ROUNDS} kills, ${copies} copies; ${model.acknowledged} writes acknowledged, ${model.surprising} more were there without an answer; revision ${model.revision}`);
});

/** Resolves when every thread stands still; one inside the kernel finishes what it asked for first. */
async function stopped(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  const threads = `/proc/${child.pid}/task`;
  while (child.exitCode === null && !readdirSync(threads).every((thread) => /\) [TZ] /.test(readFileSync(join(threads, thread, 'stat'), 'utf8')))) await sleep(1);
}
