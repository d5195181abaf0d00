// The guests of guests/hostile: what each of them must come to, and how it is run.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type RuntimeErrorCode, isRuntimeError } from '../errors.ts';
import type { Grants } from '../grants.ts';
import { DEFAULT_LIMITS, type LimitName, type Limits } from '../limits.ts';
import type { Exit, ExitReason } from '../runtime.ts';
import { type Changes, GUESTS, guestFile, MIB, type Served, type Stage, until } from './stage.ts';

type OneOrMore<T> = T | readonly T[];

interface Outcome {
  /** It never comes to run: compiling, loading or starting it fails with this. Null: unless it runs after all. */
  readonly refused?: OneOrMore<RuntimeErrorCode | null>;
  /** Of a service: the status, or that the answer was broken off. */
  readonly answer?: OneOrMore<number | 'broken'>;
  readonly body?: string | null;
  /** A header that must not be there. */
  readonly absentHeader?: string;
  /** How the instance ended, null: well. */
  readonly reason?: OneOrMore<ExitReason | null>;
  /** What the exit or the refusal says, as a regular expression. */
  readonly message?: string;
  /** Limits that were hit. */
  readonly limit?: LimitName | null;
  readonly limitAlso?: LimitName | null;
  readonly limits?: Partial<Limits>;
  readonly grants?: Partial<Grants>;
  /** A folder with `file.txt` is mounted at /data, beside a file it must not reach. */
  readonly mount?: 'read' | 'write' | null;
  readonly bucket?: boolean | null;
  readonly logBytes?: number;
}

/** `expect.json`. */
export interface Expectation extends Outcome {
  readonly kind: 'service' | 'command' | 'file';
  /** Of a command that does not end by itself. */
  readonly stopAfterMs?: number;
  /** What is different on V8, and why. */
  readonly jco?: Outcome & { readonly because: string };
}

export interface Hostile {
  readonly name: string;
  readonly expect: Expectation;
}

const FOLDER = join(GUESTS, 'hostile');
const listOf = <T>(value: OneOrMore<T> | undefined): readonly T[] => (value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T]);

/** All of them, with what an engine is expected to make of them. */
export async function hostileGuests(engine: string): Promise<readonly Hostile[]> {
  const names = (await readdir(FOLDER)).sort();
  return Promise.all(names.map(async (name) => {
    const expect = JSON.parse(await readFile(join(FOLDER, name, 'expect.json'), 'utf8')) as Expectation;
    return { name, expect: engine === 'jco' && expect.jco !== undefined ? onJco(expect, expect.jco) : expect };
  }));
}

/** What is said of a refusal is not what was to be said of an end. */
function onJco({ message, ...expect }: Expectation, jco: Outcome): Expectation {
  return { ...expect, ...(message === undefined || jco.refused !== undefined ? {} : { message }), ...jco };
}

export async function changesFor({ expect }: Hostile, stage: Stage): Promise<Changes> {
  const { limits = {}, grants = {}, mount, bucket, logBytes } = expect;
  const held = Object.fromEntries(Object.entries({ memoryBytes: 16 * MIB, requestTimeoutMs: 5000, ...limits }).filter(([name]) => name in DEFAULT_LIMITS));
  const mounts = mount === undefined || mount === null ? [] : [{ host: await mountFolder(stage), guest: '/data', writable: mount === 'write' }];
  const buckets = bucket === true ? [{ name: 'default', path: await mkdtemp(join(stage.folder, 'bucket-')), maxBytes: MIB }] : [];
  return { limits: held, grants: { ...grants, mounts, buckets }, ...(logBytes === undefined ? {} : { logBytes }) };
}

async function mountFolder(stage: Stage): Promise<string> {
  const folder = await mkdtemp(join(stage.folder, 'mount-'));
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'secret.txt'), 'secret');
  await writeFile(join(folder, 'data', 'file.txt'), 'a file');
  return join(folder, 'data');
}

/** What a service was answered: its status, or that its answer was broken off. */
export async function answerOf(served: Served): Promise<{ readonly status: number | 'broken'; readonly body: string; readonly headers: Readonly<Record<string, unknown>> }> {
  try {
    return await served.ask();
  } catch {
    return { status: 'broken', body: '', headers: {} };
  }
}

/** Runs one and looks at what came of it; the neighbour must answer while it does. */
export async function runHostile(hostile: Hostile, { stage, context, neighbour }: { readonly stage: Stage; readonly context: TestContext; readonly neighbour: Served }): Promise<void> {
  const { expect, name } = hostile;
  const codes = listOf(expect.refused);
  const ran = run(hostile, stage, context);
  const beside = neighbour.ask();
  const outcome = await ran.catch((error: unknown) => error);
  assert.equal((await beside).status, 200, 'the neighbour answers meanwhile');
  assert.equal((await neighbour.ask()).status, 200, 'the neighbour answers afterwards');
  if (isRuntimeError(outcome)) {
    assert.ok(codes.includes(outcome.code), `${name} was refused as ${outcome.code}: ${outcome.message}`);
    if (expect.message !== undefined) assert.match(outcome.message, new RegExp(expect.message, 'i'));
  } else if (outcome instanceof Error) {
    throw outcome;
  } else {
    assert.ok(codes.length === 0 || codes.includes(null), `${name} was not refused`);
  }
}

async function run(hostile: Hostile, stage: Stage, context: TestContext): Promise<void> {
  const { name, expect } = hostile;
  const guest = `hostile/${name}`;
  if (expect.kind === 'file') {
    await stage.runtime.compile(guestFile(guest), join(stage.folder, `${name}.cwasm`));
    await stage.runtime.load(join(stage.folder, `${name}.cwasm`));
    return;
  }
  const changes = await changesFor(hostile, stage);
  if (expect.kind === 'command') {
    const workload = await stage.runtime.start(await stage.spec(guest, changes));
    if (expect.stopAfterMs !== undefined) await workload.stop(expect.stopAfterMs);
    checkExit(expect, [await workload.exited], name);
    return;
  }
  const served = await stage.serve(context, guest, changes);
  const answer = await answerOf(served);
  assert.ok(listOf(expect.answer).includes(answer.status), `${name} was answered ${answer.status}: ${answer.body.slice(0, 200)}`);
  if (typeof expect.body === 'string') assert.equal(answer.body, expect.body);
  if (expect.absentHeader !== undefined) assert.ok(!(expect.absentHeader in answer.headers), `${expect.absentHeader} is there`);
  await until(`${name} is gone`, () => served.workload.stats().inFlight === 0);
  if (!listOf(expect.reason).includes(null)) await until(`${name} is told`, () => served.failures.length > 0);
  checkExit(expect, served.failures, name);
  for (const limit of [expect.limit, expect.limitAlso]) {
    if (typeof limit === 'string') await until(`${limit} is counted as hit by ${name}`, () => (served.workload.stats().limitHits[limit] ?? 0) > 0);
  }
  if (expect.logBytes !== undefined) assert.ok((await served.log()).length <= expect.logBytes, 'the log keeps its size');
}

function checkExit({ reason, message }: Expectation, exits: readonly Exit[], name: string): void {
  const [exit] = exits;
  assert.ok(listOf(reason).includes(exit?.reason ?? null), `${name} ended by ${exit?.reason ?? 'nothing'}: ${exit?.message ?? ''}`);
  if (exit !== undefined && message !== undefined) assert.match(exit.message, new RegExp(message, 'i'), name);
}
