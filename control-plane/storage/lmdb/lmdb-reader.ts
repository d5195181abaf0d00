// A store, or a snapshot's file, read by another process than its owner's: the owner is not disturbed, and what is read is consistent.

import { compactedAt, notYetAt } from '../errors.ts';
import { checkLimit } from '../mutations.ts';
import type { Revision, StorageReader, StorageStatus } from '../storage.ts';
import { type Environment, openEnvironment, revisionIn } from './environment.ts';
import { figuresOf } from './figures.ts';
import { copyTo } from './files.ts';
import { listAt, newest, versionAt } from './versions.ts';

export interface LmdbReader extends StorageReader {
  /** Figures that only the owner counts are left at 0. */
  status(): Promise<StorageStatus>;
  /** As `LmdbStorage.snapshot`. */
  snapshot(file: string): Promise<void>;
  close(): Promise<void>;
}

/** StorageError Corrupt when there is no store, Newer. */
export function openLmdbReader(path: string): LmdbReader {
  const environment = openEnvironment(path, { readOnly: true });
  const compacted = (): Revision => environment.meta.get('compacted') ?? 0;

  function readable(asked: Revision | undefined): Revision {
    const now = current(environment);
    if (asked === undefined) return now;
    if (asked > now) throw notYetAt(asked, now);
    if (asked < compacted()) throw compactedAt(asked, compacted());
    return asked;
  }

  return {
    async get(key, { revision } = {}) {
      const at = readable(revision);
      return revision === undefined ? newest(environment, key) : versionAt(environment, key, at);
    },
    async list({ prefix, after, limit, revision: asked }) {
      checkLimit(limit);
      const revision = readable(asked);
      const found = listAt(environment, prefix, after, limit === undefined ? Number.POSITIVE_INFINITY : limit + 1, revision);
      return { items: found.slice(0, limit), revision, more: limit !== undefined && found.length > limit };
    },
    revision: async () => readable(undefined),
    status: async () => ({ implementation: 'lmdb', revision: readable(undefined), compacted: compacted(), figures: figuresOf(environment, path, {}) }),
    async snapshot(file) {
      await copyTo(environment, file);
    },
    close: () => environment.root.close(),
  };
}

/** Another process writes: what is read must not be what was there at an earlier turn. */
function current(environment: Environment): Revision {
  environment.root.resetReadTxn();
  return revisionIn(environment);
}
