// The hostile guests over and over in one process: whatever they leave behind adds up here.

import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { LimitName } from '../limits.ts';
import type { Runtime, Workload } from '../runtime.ts';
import { ask } from './client.ts';
import { changesFor, type Hostile, hostileGuests } from './hostile-guests.ts';
import { type Abilities, openStage, routeTo, type Stage, until } from './stage.ts';

/** What a process holds. */
export interface Holdings {
  /** Bytes. */
  readonly resident: number;
  readonly descriptors: number;
  readonly threads: number;
}

export interface SoakReport {
  readonly rounds: number;
  /** After the warm-up: the median of the first half of the laps, and of the second. */
  readonly before: Holdings;
  readonly after: Holdings;
  /** Threads nobody accounts for, once those that wait a while for work have ended. */
  readonly threadsLeft: number;
  /** Guests still at work when all workloads were stopped. */
  readonly inFlight: number;
  readonly limitHits: Readonly<Partial<Record<LimitName, number>>>;
}

export interface SoakOptions {
  /** Requests or runs, one each, of the mix in turn; at least two laps of it. */
  readonly rounds: number;
  /** Not counted: until pools and caches have their size. */
  readonly warmUp: number;
  /** Takes only each so-manieth of the guests: fewer of them fill what is kept for each sooner. */
  readonly every?: number;
  readonly say?: (line: string) => void;
}

/** Requests at a time; a guest that loops holds one for its deadline. */
const AT_ONCE = 4;
/** Requests each workload gets before it is stopped and started anew. */
const REQUESTS_EACH = 5;
/** Those that do not say what they need: less to fill, so that the pool has its size sooner. */
const MEMORY_BYTES = 2 * 2 ** 20;
/** Loops are as hostile when they are ended sooner. */
const DEADLINE_MS = 50;

/** Nobody asks for them here. */
const ABILITIES: Abilities = {
  concurrent: true, preview1: true, chaining: true, reuse: true, signs: true, fullHttp: true, backtraces: true, waitsAside: true, seesRefusedGrowth: true, idleBytes: 0, grants: [], limits: [],
};

/** Runs the mix against a runtime of its own and says what it came to. */
export async function soak(runtime: Runtime, { rounds, warmUp, every = 1, say = () => {} }: SoakOptions): Promise<SoakReport> {
  const stage = await openStage(runtime, ABILITIES);
  const mix = (await hostileGuests(runtime.engine.name)).filter(({ expect }) => expect.kind !== 'file' && expect.refused === undefined).filter((_, index) => index % every === 0);
  const limitHits: Partial<Record<LimitName, number>> = {};
  let inFlight = 0;
  const { threads: fresh } = await measured();

  async function lap(): Promise<number> {
    const [workloads, commands] = [new Map<string, Workload>(), mix.filter(({ expect }) => expect.kind === 'command')];
    for (const hostile of mix.filter(({ expect }) => expect.kind === 'service')) workloads.set(hostile.name, await start(hostile));
    await stage.route([...workloads].map(([name, { id }]) => routeTo(name, [id])));
    const request = async (name: string): Promise<void> => void (await ask(stage.gateway, `${name}.default.localhost`).catch(() => {}));
    const asked = [...workloads.keys()].flatMap((name) => Array.from({ length: REQUESTS_EACH }, () => async () => request(name)));
    const ran = commands.map((hostile) => async () => {
      const command = await start(hostile);
      await command.stop(DEADLINE_MS);
      await command.exited;
    });
    await inTurn([...asked, ...ran]);
    await stage.route([]);
    for (const workload of workloads.values()) {
      await workload.stop(1000);
      const stats = workload.stats();
      inFlight += stats.inFlight;
      for (const [name, count] of Object.entries(stats.limitHits) as [LimitName, number][]) limitHits[name] = (limitHits[name] ?? 0) + count;
    }
    return asked.length + ran.length;
  }

  async function start(hostile: Hostile): Promise<Workload> {
    const { limits, ...changes } = await changesFor(hostile, stage);
    const memoryBytes = hostile.expect.limits?.memoryBytes ?? MEMORY_BYTES;
    return runtime.start(await stage.spec(`hostile/${hostile.name}`, { ...changes, limits: { ...limits, memoryBytes, requestTimeoutMs: DEADLINE_MS } }));
  }

  try {
    let done = 0;
    while (done < warmUp) done += await lap();
    say(`warm after ${done} rounds: ${described(await holdings(stage))}`);
    const laps: Holdings[] = [];
    done = 0;
    while (done < rounds) {
      done += await lap();
      const now = await holdings(stage);
      laps.push(now);
      say(`${done} rounds: ${described(now)}`);
    }
    const half = Math.ceil(laps.length / 2);
    return { rounds: done, before: median(laps.slice(0, half)), after: median(laps.slice(half)), threadsLeft: await threadsLeft(fresh), inFlight, limitHits };
  } finally {
    await stage.close();
  }
}

async function inTurn(work: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = [...work];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  }));
}

/** With JavaScript's own garbage collected, so that what is left is held. */
async function holdings(stage: Stage): Promise<Holdings> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let now = await measured();
  await until(`${stage.runtime.engine.name} is at rest`, async () => {
    collect();
    const before = now;
    now = await measured();
    return now.descriptors === before.descriptors && now.threads === before.threads;
  });
  return now;
}

/** Threads that are made at their first use and stay: Node's and the engine's own workers. */
const WORKERS = 8;

/** A thread of tokio's that waits for disks and names ends when it had nothing to do for ten seconds. */
async function threadsLeft(fresh: number): Promise<number> {
  let left = Number.POSITIVE_INFINITY;
  for (let seconds = 0; seconds < 30 && left > 0; seconds += 1) {
    left = Math.max(0, (await measured()).threads - fresh - WORKERS);
    if (left > 0) await pause(1000);
  }
  return left;
}

async function measured(): Promise<Holdings> {
  const status = await readFile('/proc/self/status', 'utf8');
  const number = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  const links = await Promise.all((await readdir('/proc/self/fd')).map(async (name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
  // The last logs that were written to stay open, a bounded number of them.
  return { resident: number('VmRSS') * 1024, threads: number('Threads'), descriptors: links.filter((link) => !/\.log( \(deleted\))?$/.test(link)).length };
}

function median(laps: readonly Holdings[]): Holdings {
  const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  return { resident: middle(laps.map((lap) => lap.resident)), descriptors: middle(laps.map((lap) => lap.descriptors)), threads: middle(laps.map((lap) => lap.threads)) };
}

const described = ({ resident, descriptors, threads }: Holdings): string => `${(resident / 2 ** 20).toFixed(1)} MiB resident, ${descriptors} descriptors, ${threads} threads`;
