// A snapshot takes the place of a store.

import { copyFileSync, existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../errors.ts';
import type { Revision } from '../storage.ts';
import { type Environment, failure, openEnvironment, revisionIn } from './environment.ts';
import { syncDirectory, syncFile } from './files.ts';
import { verifyStore } from './verify.ts';

export interface Restored {
  readonly keys: number;
  /** The store goes on after this one. */
  readonly revision: Revision;
  /** Where the store that was there before is now. */
  readonly before: string | undefined;
}

/** Revisions that may have been given out after what is known here: those who saw them must list anew. */
const LEAP = 1_000_000;

/**
 * `path`, which nobody has open, becomes what `file` holds. Revisions go on from beyond all that were given out, and nothing below
 * can be watched: whoever saw the later past lists again. StorageError Corrupt when the snapshot is damaged, and nothing was touched.
 */
export async function restoreStore(path: string, file: string): Promise<Restored> {
  const { problems, keys } = await verifyStore(file);
  if (problems.length > 0) throw new StorageError('Corrupt', `${file} is damaged, and nothing was restored: ${problems[0]}`);
  const folder = join(path, 'restore');
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
    copyFileSync(file, join(folder, 'data.mdb'));
    const fresh = openEnvironment(folder);
    const revision = Math.max(revisionIn(fresh), await revisionOf(path)) + LEAP;
    await fresh.meta.put('compacted', revision);
    await fresh.root.close();
    syncFile(join(folder, 'data.mdb'));
    const before = existsSync(join(path, 'data.mdb')) ? join(path, 'data.mdb.before-restore') : undefined;
    if (before !== undefined) {
      rmSync(before, { force: true });
      // A second name, so that at every moment there is a store under the first.
      linkSync(join(path, 'data.mdb'), before);
    }
    renameSync(join(folder, 'data.mdb'), join(path, 'data.mdb'));
    syncDirectory(path);
    return { keys, revision, before };
  } catch (cause) {
    throw failure(cause, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** 0 when there is no store that can be read. */
async function revisionOf(path: string): Promise<Revision> {
  let environment: Environment;
  try {
    environment = openEnvironment(path, { readOnly: true });
  } catch {
    return 0;
  }
  const revision = revisionIn(environment);
  await environment.root.close();
  return revision;
}
