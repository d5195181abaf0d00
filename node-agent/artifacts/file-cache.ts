// Folders of files that may be fetched or made again: bounded, and what was used last stays. Use is told by the time of the file.

import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** Marks a file as used at `now` (milliseconds since the epoch); false when it is not there. */
export async function touch(path: string, now: number): Promise<boolean> {
  return utimes(path, now / 1000, now / 1000).then(() => true, () => false);
}

export interface TrimOptions {
  readonly maxBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether a file of this name is in use. */
  readonly inUse: (name: string) => boolean;
}

/** A `.partial` that nobody wrote to for so long is what a killed process left. */
const ABANDONED_MS = 3_600_000;

/**
 * Removes files below the folder, those first that were not used for longest, until what is left is no more than `maxBytes`. Never one that is in use or
 * being written (`.partial`), even when that is more.
 */
export async function trim(folder: string, { maxBytes, now, inUse }: TrimOptions): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = await Promise.all(entries.filter((entry) => entry.isFile()).map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: now }));
    const partial = entry.name.endsWith('.partial');
    return { path, size, mtimeMs, abandoned: partial && now - mtimeMs > ABANDONED_MS, stays: partial || inUse(entry.name) };
  }));
  let total = files.reduce((sum, file) => sum + file.size, 0);
  const going = files.filter(({ stays, abandoned }) => abandoned || !stays).sort((a, b) => Number(b.abandoned) - Number(a.abandoned) || a.mtimeMs - b.mtimeMs);
  for (const file of going) {
    if (!file.abandoned && total <= maxBytes) return;
    await rm(file.path, { force: true });
    total -= file.size;
  }
}
