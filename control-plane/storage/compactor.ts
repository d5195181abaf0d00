// Keeps a store's past from growing: from time to time gives up what is both older than a time and further back than a number of
// revisions. Runs beside any Storage; of several servers on one, a single one runs it.

import type { Clock } from '@copepod/client/clock';
import { isStorageError } from './errors.ts';
import type { Revision, Storage } from './storage.ts';

export interface Retention {
  /** At least this long a watch may go on from a revision, milliseconds of the monotonic clock: a jump of the wall clock gives up nothing. */
  readonly ms: number;
  /** So many revisions are kept, however old. */
  readonly revisions: number;
}

export const DEFAULT_RETENTION: Retention = { ms: 5 * 60_000, revisions: 100_000 };

export interface CompactorOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly retention?: Retention;
  /** A compaction that failed; the next one is tried all the same. */
  readonly onError: (error: unknown) => void;
}

/** Looks so many times within the time that is kept. */
const LOOKS = 10;

/** Until the signal aborts or the store is closed. What was there at the start counts as just written. */
export async function runCompactor({ storage, clock, retention = DEFAULT_RETENTION, onError }: CompactorOptions, signal: AbortSignal): Promise<void> {
  /** Oldest first: the store was at `revision` at `at`. */
  let samples: readonly { readonly at: number; readonly revision: Revision }[] = [];
  while (!signal.aborted) {
    try {
      const revision = await storage.revision();
      const now = clock.monotonic();
      samples = [...samples, { at: now, revision }];
      const old = samples.findLast((sample) => now - sample.at >= retention.ms);
      const target = Math.min(old?.revision ?? 0, revision - retention.revisions);
      if (target > 0) await storage.compact(target);
      if (old !== undefined) samples = samples.slice(samples.indexOf(old));
    } catch (error) {
      if (isStorageError(error, 'Closed')) return;
      onError(error);
    }
    await clock.sleep(retention.ms / LOOKS, signal).catch(() => {});
  }
}
