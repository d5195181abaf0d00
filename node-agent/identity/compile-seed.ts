// The secret this node signs its compiled components with: 32 bytes of its own, made at its first start. Without it what is on disk is compiled anew.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const SEED_BYTES = 32;

/** One that is there but of another length is replaced: it is torn. */
export function ensureCompileSeed(path: string): Uint8Array {
  try {
    const seed = readFileSync(path);
    if (seed.length === SEED_BYTES) return seed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const seed = randomBytes(SEED_BYTES);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.partial`;
  writeFileSync(partial, seed, { mode: 0o600, flush: true });
  renameSync(partial, path);
  return seed;
}
