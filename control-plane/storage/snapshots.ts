// Snapshots by the clock: one every so often, the newest ones kept.

import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@copepod/client/clock';
import { isStorageError, StorageError } from './errors.ts';
import type { StorageReader } from './storage.ts';

export interface SnapshotPlan {
  readonly folder: string;
  readonly everyMs: number;
  /** At least 1. */
  readonly keep: number;
}

export interface SnapshotOptions {
  readonly storage: StorageReader & { snapshot(file: string): Promise<void> };
  readonly clock: Clock;
  readonly plan: SnapshotPlan;
  readonly onTaken: (file: string) => void;
  /** One that failed; the next one is tried at its time. */
  readonly onError: (error: unknown) => void;
}

const NAME = /^snapshot-\d{8}T\d{6}Z-r\d+$/;

/** Until the signal aborts or the store is closed. The first one is due when the newest that is there is old enough. */
export async function runSnapshots({ storage, clock, plan, onTaken, onError }: SnapshotOptions, signal: AbortSignal): Promise<void> {
  let due = firstDue(plan, clock);
  while (!signal.aborted) {
    await clock.sleep(due, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      onTaken(await take(storage, plan, clock));
    } catch (error) {
      if (isStorageError(error, 'Closed')) return;
      onError(error);
    }
    due = plan.everyMs;
  }
}

async function take(storage: SnapshotOptions['storage'], { folder, keep }: SnapshotPlan, clock: Clock): Promise<string> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new StorageError('ReadOnly', `the folder of snapshots ${folder} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  const stamp = new Date(clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const file = join(folder, `snapshot-${stamp}-r${await storage.revision()}`);
  await storage.snapshot(file);
  for (const old of snapshotsIn(folder).slice(0, -keep)) rmSync(join(folder, old), { force: true });
  return file;
}

/** Names of the snapshots made by the clock, oldest first; other files are nobody's to remove. */
export function snapshotsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => NAME.test(name)).toSorted();
  } catch {
    return [];
  }
}

function firstDue({ folder, everyMs }: SnapshotPlan, clock: Clock): number {
  const newest = snapshotsIn(folder).at(-1);
  if (newest === undefined) return everyMs;
  const age = clock.now() - statSync(join(folder, newest)).mtimeMs;
  // A clock that was set back must not keep it waiting for longer than it ever should.
  return Math.min(Math.max(everyMs - age, 0), everyMs);
}
