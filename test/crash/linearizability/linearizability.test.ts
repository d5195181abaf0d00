// Concurrent clients of one store that is killed and paused meanwhile: is there an order of what they did and saw that a single copy of
// the store could have had? Porcupine judges the recorded history. COPEPOD_HISTORIES says how many, of COPEPOD_HISTORY_OPERATIONS each.

import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf, seedOf } from '../random.ts';
import { type Answer, type Entry, KEYS, type Request, type Slot } from './protocol.ts';

const OPERATIONS = Number(process.env['COPEPOD_HISTORY_OPERATIONS'] ?? '3000');
const CLIENTS = 10;
const HISTORIES = Number(process.env['COPEPOD_HISTORIES'] ?? '1');

type Recorded = Request & { readonly client: number; readonly call: number; readonly return: number; readonly outcome: string; readonly revision?: number };

/** The store's process: started again whenever it was killed. */
class Server {
  readonly #path: string;
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;
  #ids = 0;
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>();
  #ready = Promise.withResolvers<void>();

  constructor(path: string) {
    this.#path = path;
  }

  start(): Promise<void> {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'server.ts'), this.#path], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.on('error', () => {});
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, ready, ...answer } = JSON.parse(line) as Answer & { id: number; ready?: boolean };
      if (ready === true) this.#ready.resolve();
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    return this.#ready.promise;
  }

  /** Undefined: it was killed before it answered. */
  async ask(request: Request): Promise<Answer | undefined> {
    await this.#ready.promise;
    const id = (this.#ids += 1);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child?.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Every answer that was on its way is heard before those who get none are told. */
  async kill(): Promise<void> {
    const child = this.#child;
    const closed = new Promise((resolve) => child?.once('close', resolve));
    child?.kill('SIGKILL');
    await closed;
    // Nobody asks a dead one.
    this.#ready = Promise.withResolvers<void>();
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
  }
}

async function record(t: TestContext, seed: number): Promise<readonly Recorded[]> {
  const random = randomOf(seed);
  const path = mkdtempSync(join(tmpdir(), 'copepod-history-'));
  const server = new Server(path);
  t.after(async () => {
    await server.kill();
    rmSync(path, { recursive: true, force: true });
  });
  await server.start();
  const history: Recorded[] = [];
  let moment = 0;
  let values = 0;
  const client = async (name: number): Promise<void> => {
    const seen: Slot[] = Array.from({ length: KEYS }, () => ({ mod: 0, value: '' }));
    while (history.length < OPERATIONS) {
      const request = choose(random, seen, () => `v${(values += 1)}`);
      const call = (moment += 1);
      const answer = await server.ask(request);
      if (answer !== undefined) {
        if (request.op === 'get' && answer.found !== undefined) seen[request.key] = answer.found;
        for (const [key, slot] of (answer.all ?? []).entries()) seen[key] = slot;
        history.push({ ...request, ...answer, client: name, call, return: (moment += 1) });
      // The process is dead by now: what it was asked has happened, or never will. The log knows.
      } else if (request.op === 'commit') history.push({ ...request, outcome: 'unknown', client: name, call, return: (moment += 1) });
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)));
  let over = false;
  void clients.finally(() => { over = true; });
  let kills = 0;
  let pauses = 0;
  for (const running = (): boolean => !over; running();) {
    await sleep(50 + random() * 150);
    if (random() < 0.5) {
      await server.kill();
      await server.start();
      kills += 1;
    } else {
      server.signal('SIGSTOP');
      await sleep(random() * 100);
      server.signal('SIGCONT');
      pauses += 1;
    }
  }
  await clients;
  const { log = [] } = await server.ask({ op: 'log' }) ?? assert.fail('the store is gone');
  const settled = settle(history, log);
  t.diagnostic(`seed ${seed}: ${settled.length} operations, ${kills} kills, ${pauses} pauses`);
  return settled;
}

/** Commits nobody answered become what the log says of them; the log holds every other commit, whole, and nothing nobody asked for. */
function settle(history: readonly Recorded[], log: readonly Entry[]): readonly Recorded[] {
  const transactions = Map.groupBy(log, (entry) => entry.revision);
  const sign = (writes: readonly { readonly key: number; readonly value: string; readonly expect: number }[]): string => writes.map(({ key, value, expect }) => `${key}=${value}@${expect}`).toSorted().join(' ');
  const signs = new Map([...transactions].map(([revision, entries]) => [sign(entries.map(({ key, value, before }) => ({ key, value, expect: before }))), revision]));
  assert.deepEqual([...transactions.keys()], Array.from({ length: transactions.size }, (_, index) => index + 1), 'the log has every revision once, in order');
  const owned = new Set<number>();
  const settled = history.flatMap((operation) => {
    if (operation.op !== 'commit' || operation.outcome === 'conflict') return [operation];
    const revision = signs.get(sign(operation.writes));
    if (operation.outcome === 'ok') assert.equal(revision, operation.revision, 'an acknowledged commit is in the log, at its revision');
    if (revision === undefined) return [];
    owned.add(revision);
    return [{ ...operation, outcome: 'ok', revision }];
  });
  assert.equal(owned.size, transactions.size, 'every transaction of the log was asked for');
  return settled;
}

function choose(random: () => number, seen: readonly Slot[], value: () => string): Request {
  const dice = random();
  const key = Math.floor(random() * KEYS);
  if (dice < 0.35) return { op: 'get', key };
  if (dice < 0.5) return { op: 'list' };
  const expect = seen[key]?.mod ?? 0;
  const first = { key, expect, value: dice > 0.9 && expect > 0 ? '' : value() };
  const other = (key + 1) % KEYS;
  // A deletion comes with a put: by its value the log tells whose it was.
  return { op: 'commit', writes: dice > 0.75 && first.value !== '' ? [first] : [first, { key: other, expect: seen[other]?.mod ?? 0, value: value() }] };
}

function buildJudge(t: TestContext): { readonly program: string } | { readonly missing: string } {
  if (spawnSync('go', ['version']).error !== undefined) return { missing: 'go is not installed' };
  const folder = mkdtempSync(join(tmpdir(), 'copepod-judge-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'judge');
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'judge'), encoding: 'utf8' });
  return built.status === 0 ? { program } : { missing: `the judge cannot be built: ${built.stderr.trim().split('\n').at(-1)}` };
}

function judge(program: string, history: readonly object[]): { readonly status: number | null; readonly said: string } {
  const done = spawnSync(program, { input: history.map((operation) => JSON.stringify(operation)).join('\n'), encoding: 'utf8' });
  return { status: done.status, said: done.stdout + done.stderr };
}

test('what concurrent clients of a store see has an order, through kills and pauses', { timeout: 60_000 + HISTORIES * 150_000 }, async (t) => {
  const built = buildJudge(t);
  if ('missing' in built) {
    t.skip(built.missing);
    return;
  }
  const seed = seedOf();
  for (let number = 0; number < HISTORIES; number += 1) {
    const history = await record(t, seed + number);
    const { status, said } = judge(built.program, history);
    t.diagnostic(said.trim());
    if (status === 0) continue;
    const kept = join(tmpdir(), `copepod-history-${seed + number}.jsonl`);
    writeFileSync(kept, history.map((operation) => JSON.stringify(operation)).join('\n'));
    assert.fail(`${said.trim()}; the history is ${kept}`);
  }
  // The judge sees what is wrong, too: an old value read once more, and an acknowledged write that is gone.
  const commit = (revision: number, expect: number): object => ({ op: 'commit', outcome: 'ok', revision, writes: [{ key: 0, expect, value: `v${revision}` }], client: 0, call: revision * 10, return: revision * 10 + 5 });
  const read = (found: Slot): object => ({ op: 'get', outcome: 'ok', key: 0, found, client: 1, call: 90, return: 95 });
  for (const [found, verdict] of [[{ mod: 2, value: 'v2' }, 0], [{ mod: 1, value: 'v1' }, 1], [{ mod: 0, value: '' }, 1]] as const) {
    assert.equal(judge(built.program, [commit(1, 0), commit(2, 1), read(found)]).status, verdict);
  }
});
