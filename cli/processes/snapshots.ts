// Flags of the processes that keep a store: snapshots by the clock.

import { join } from 'node:path';
import type { SnapshotPlan } from '@copepod/control-plane/storage';
import type { Command } from 'commander';
import { usage } from '../failure.ts';

export interface SnapshotFlags {
  readonly snapshotEvery: string;
  readonly snapshotKeep: string;
  readonly snapshotDir?: string;
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

export function snapshotFlags(command: Command): Command {
  return command
    .option('--snapshot-every <time>', 'how often the store is copied (30m, 12h, 7d), or never', '12h')
    .option('--snapshot-keep <count>', 'how many of the copies are kept', '5')
    .option('--snapshot-dir <folder>', 'where they are (default: snapshots in the data directory)');
}

/** Undefined: never. Failure for what cannot be understood. */
export function parseSnapshots({ snapshotEvery, snapshotKeep, snapshotDir }: SnapshotFlags, dataDir: string): SnapshotPlan | undefined {
  if (snapshotEvery === 'never') return undefined;
  const [, count, unit = ''] = /^([1-9]\d{0,5})([mhd])$/.exec(snapshotEvery) ?? [];
  if (count === undefined) throw usage(`--snapshot-every ${snapshotEvery} is no time`, 'e.g. 30m, 12h, 7d, or never');
  const keep = Number(snapshotKeep);
  if (!Number.isSafeInteger(keep) || keep < 1) throw usage(`--snapshot-keep ${snapshotKeep} is not a whole number of at least 1`);
  return { folder: snapshotDir ?? join(dataDir, 'snapshots'), everyMs: Number(count) * (UNITS[unit] ?? 0), keep };
}
