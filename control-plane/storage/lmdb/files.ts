// Whole copies of a store: snapshots, and the fresh file of a defragmentation.

import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StorageError } from '../errors.ts';
import type { Revision } from '../storage.ts';
import { replay } from './changes.ts';
import { type Environment, failure, openEnvironment, revisionIn } from './environment.ts';
import { keyOf, positionOf } from './records.ts';

/**
 * Copies the store as it is at one moment into `file`, which is there whole or not at all; the revision of that moment.
 * StorageError NoSpace, ReadOnly, Io; Locked when the file is there already.
 */
export async function copyTo({ root }: Environment, file: string): Promise<Revision> {
  if (existsSync(file)) throw new StorageError('Locked', `${file} is there already: choose another name`);
  let folder: string | undefined;
  try {
    folder = mkdtempSync(`${file}.partial-`);
    await root.backup(folder, true);
    const copy = openEnvironment(folder, { readOnly: true });
    const revision = revisionIn(copy);
    await copy.root.close();
    syncFile(join(folder, 'data.mdb'));
    renameSync(join(folder, 'data.mdb'), file);
    syncDirectory(dirname(file));
    return revision;
  } catch (cause) {
    throw failure(cause, file);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Records taken over in one transaction. */
const AT_ONCE = 2000;

/**
 * Takes over what `old` got later than `done`. `last`: nothing is written meanwhile, so what stands beside the log is taken over too.
 */
export async function followInto(fresh: Environment, old: Environment, done: Revision, until: () => Revision, last = false): Promise<void> {
  for (let start = positionOf(done + 1, 0); ;) {
    const records = [...old.log.getRange({ start, end: positionOf(until() + 1, 0), limit: AT_ONCE })].map(({ key, value }) => ({ position: key, bytes: value }));
    await fresh.root.transaction(() => {
      for (const { position, bytes } of records) replay(fresh, keyOf(bytes), position, bytes);
    });
    const newest = records.at(-1);
    if (newest === undefined) break;
    start = newest.position + 1;
  }
  if (!last) return;
  await fresh.root.transaction(() => {
    for (const lease of Array.from(fresh.leases.getKeys())) void fresh.leases.remove(lease);
    for (const key of Array.from(fresh.attached.getKeys())) void fresh.attached.remove(key);
    for (const { key, value } of old.leases.getRange()) void fresh.leases.put(key, value);
    for (const { key, value } of old.attached.getRange()) void fresh.attached.put(key, value);
    // What was swept in the old file meanwhile is still in the fresh one: `swept` stays where it was.
    for (const name of ['compacted', 'lease']) void fresh.meta.put(name, old.meta.get(name) ?? 0);
  });
}

export function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes a rename in it durable. */
export const syncDirectory = syncFile;
