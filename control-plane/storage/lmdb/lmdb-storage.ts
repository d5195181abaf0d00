// The durable store: one LMDB environment in one process. Concurrent commits share a transaction and its fsync; each is acknowledged,
// and told to watchers, only after its own is on disk. A value is written once, into the log; tables say which version is the newest.

import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '@copepod/client/clock';
import { closedStore, compactedAt, notYetAt, StorageError } from '../errors.ts';
import { checkSeconds, Lessor } from '../lessor.ts';
import { checkLimit, checkMutations } from '../mutations.ts';
import type { LeaseId, ReadOptions, Revision, Storage } from '../storage.ts';
import { WatchHub } from '../watch-hub.ts';
import { commitChange, endLeaseChange, grantChange, type Sequence } from './changes.ts';
import { type Environment, failure, openEnvironment, revisionIn } from './environment.ts';
import { figuresOf } from './figures.ts';
import { copyTo, followInto, syncDirectory } from './files.ts';
import { compactChange, sweep, sweepIsDue } from './sweep.ts';
import { listAt, listNewest, newest, readHistory, versionAt } from './versions.ts';
import { Writer } from './writer.ts';

export interface LmdbStorageOptions {
  /** Directory of the environment; made when it is not there. The caller has locked it. */
  readonly path: string;
  readonly clock?: Clock;
}

export interface LmdbStorage extends Storage {
  /** Writes the store as it is now into one file, whole and durable, while everything goes on. StorageError Io, NoSpace, ReadOnly. */
  snapshot(file: string): Promise<void>;
  /** Rewrites the file without its empty pages. Reads go on; writes wait at the end, for what was written meanwhile to be taken over. */
  defragment(): Promise<{ readonly before: number; readonly after: number }>;
}

/** Between two pieces of bringing space back. */
const SWEEP_PAUSE_MS = 10;
/** So many are remembered for the figures. */
const PIECES = 1000;

/** StorageError ReadOnly, NoSpace or Io when the directory cannot be used; Newer when a later release wrote it; Corrupt. */
export function openLmdbStorage({ path, clock = systemClock }: LmdbStorageOptions): LmdbStorage {
  let environment = openEnvironment(path);
  let closed = false;
  let defragmenting: Promise<unknown> | undefined;
  /** Copies of the file under way, which must not be closed under them. */
  const copies = new Set<Promise<unknown>>();
  let swapping: Promise<void> | undefined;
  let nextSweep = 0;
  let cancelSweep = (): void => {};
  /** The newest acknowledged revision. */
  let durable: Revision = revisionIn(environment);
  let compacted: Revision = environment.meta.get('compacted') ?? 0;
  const counts = { commits: 0, batches: 0, refused: 0, swept: 0, sweeps: 0 };
  /** Milliseconds each of the newest pieces of a sweep took. */
  const pieces: number[] = [];
  const sequence: Sequence = { revision: durable, events: [] };
  const hub = new WatchHub({ revision: () => durable, compacted: () => compacted, read: async (after) => readHistory(await ready(), after, durable) });
  const writer = new Writer({
    path,
    environment: () => environment,
    aside(draft, current) {
      // The fresh file takes over what is added to the log, and would not hear of what is taken from it.
      if (defragmenting !== undefined || clock.monotonic() < nextSweep || !sweepIsDue(draft)) return;
      const began = clock.monotonic();
      counts.swept += sweep(draft, current, { monotonic: () => clock.monotonic() });
      const ended = clock.monotonic();
      counts.sweeps += 1;
      pieces.push(ended - began);
      if (pieces.length > PIECES) pieces.shift();
      nextSweep = ended + SWEEP_PAUSE_MS;
    },
    onSettled(error) {
      if (error === undefined) {
        durable = sequence.revision;
        counts.batches += 1;
        hub.append(sequence.events, durable);
      } else {
        counts.refused += 1;
        sequence.revision = durable;
      }
      sequence.events = [];
      keepSweeping();
    },
  });

  const lessor = new Lessor(clock, async (id) => endLease(id));
  for (const { key, value } of environment.leases.getRange()) lessor.add(String(key), value);
  keepSweeping();

  /** Somebody must write for space to come back; when nobody does, this does. */
  function keepSweeping(): void {
    cancelSweep();
    if (closed || defragmenting !== undefined || !sweepIsDue(environment)) return;
    cancelSweep = clock.after(SWEEP_PAUSE_MS, () => {
      // What failed here is tried again by the next write.
      writer.write({ prepare: () => () => {} }).catch(() => {});
    });
  }

  async function endLease(id: LeaseId): Promise<void> {
    while (!await writer.write(endLeaseChange(sequence, id)));
    lessor.remove(id);
  }

  async function ready(): Promise<Environment> {
    if (closed) throw closedStore();
    if (swapping !== undefined) await swapping;
    return environment;
  }

  function readable(current: Environment, { revision }: ReadOptions): Revision {
    const now = revisionIn(current);
    if (revision === undefined) return now;
    if (revision > now) throw notYetAt(revision, now);
    if (revision < compacted) throw compactedAt(revision, compacted);
    return revision;
  }

  /** While nothing is written or read: the new file takes the place of the old one. */
  async function swap(fresh: Environment, folder: string): Promise<void> {
    await fresh.root.close();
    await Promise.allSettled(copies);
    await environment.root.close();
    try {
      renameSync(join(folder, 'data.mdb'), join(path, 'data.mdb'));
      syncDirectory(path);
    } finally {
      environment = openEnvironment(path);
    }
  }

  async function defragment(): Promise<{ readonly before: number; readonly after: number }> {
    const folder = join(path, 'defrag');
    const before = sizeOf(path);
    try {
      mkdirSync(folder, { mode: 0o700 });
      const done = await copyTo(environment, join(folder, 'data.mdb'));
      const fresh = openEnvironment(folder);
      try {
        await followInto(fresh, environment, done, () => durable);
        swapping = writer.hold(async () => {
          await followInto(fresh, environment, revisionIn(fresh), () => durable, true);
          await swap(fresh, folder);
        });
        await swapping;
      } catch (error) {
        await fresh.root.close();
        throw error;
      }
      return { before, after: sizeOf(path) };
    } catch (cause) {
      throw failure(cause, path);
    } finally {
      swapping = undefined;
      rmSync(folder, { recursive: true, force: true });
    }
  }

  return {
    async get(key, options = {}) {
      const current = await ready();
      return options.revision === undefined ? newest(current, key) : versionAt(current, key, readable(current, options));
    },
    async list({ prefix, after, limit, revision: asked }) {
      checkLimit(limit);
      const current = await ready();
      const revision = readable(current, { revision: asked });
      const wanted = limit === undefined ? Number.POSITIVE_INFINITY : limit + 1;
      const found = asked === undefined ? listNewest(current, prefix, after, wanted) : listAt(current, prefix, after, wanted, revision);
      return { items: found.slice(0, limit), revision, more: limit !== undefined && found.length > limit };
    },
    async revision() {
      return revisionIn(await ready());
    },
    async commit(mutations) {
      if (closed) throw closedStore();
      checkMutations(mutations);
      const revision = await writer.write(commitChange(sequence, mutations));
      counts.commits += 1;
      return revision;
    },
    watch: (options) => hub.watch(options),
    async grant(seconds) {
      checkSeconds(seconds);
      const id = await writer.write(grantChange(seconds));
      lessor.add(id, seconds);
      return id;
    },
    async keepAlive(id) {
      await ready();
      return lessor.keepAlive(id);
    },
    revoke: endLease,
    async compact(revision) {
      compacted = Math.max(compacted, await writer.write(compactChange(revision)));
      keepSweeping();
    },
    async status() {
      const current = await ready();
      return { implementation: 'lmdb', revision: durable, compacted, figures: figuresOf(current, path, { ...counts, pieces, watchers: hub.size, leases: lessor.size }) };
    },
    async snapshot(file) {
      const copy = copyTo(await ready(), file);
      copies.add(copy);
      try {
        await copy;
      } finally {
        copies.delete(copy);
      }
    },
    async defragment() {
      await ready();
      if (defragmenting !== undefined) throw new StorageError('Locked', `${path} is being defragmented already`);
      const work = defragment();
      defragmenting = work;
      try {
        return await work;
      } finally {
        defragmenting = undefined;
        keepSweeping();
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      cancelSweep();
      lessor.close();
      hub.close();
      await Promise.allSettled([...copies, defragmenting]);
      await writer.close();
      await environment.root.close();
    },
  };
}

function sizeOf(path: string): number {
  return statSync(join(path, 'data.mdb')).size;
}
