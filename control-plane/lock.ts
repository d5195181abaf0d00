// One process owns a data directory. The lock names its owner by pid and start time, so that a pid used again is not taken for the
// owner, and a lock left by `kill -9` is taken over.

import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export class LockError extends Error {
  override readonly name = 'LockError';
  readonly code: 'Locked' | 'ReadOnly' | 'Io';
  constructor(code: LockError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Clock ticks since boot at which a process started: field 22 of /proc/<pid>/stat; undefined where there is none, or only its remains (state Z or X). */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Takes the directory; the result gives it back. LockError Locked names who has it. */
export function lockDirectory(folder: string): () => void {
  const path = join(folder, 'lock');
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, JSON.stringify({ pid: process.pid, started: startTime(process.pid) }));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') throw new LockError('ReadOnly', `the data directory ${folder} cannot be written: choose another with --data-dir, or mend its permissions`, { cause: error });
      if (code !== 'EEXIST') throw new LockError('Io', `${path}: ${message}`, { cause: error });
      const owner = readOwner(path);
      if (owner !== undefined && startTime(owner.pid) === owner.started && owner.started !== undefined) {
        throw new LockError('Locked', `the data directory ${folder} is in use by process ${owner.pid}: stop it, or choose another with --data-dir`);
      }
      rmSync(path, { force: true });
    }
  }
  throw new LockError('Locked', `the data directory ${folder} is being taken by another process`);
}

/** The process that has the directory now, if one has. */
export function lockOwner(folder: string): number | undefined {
  const owner = readOwner(join(folder, 'lock'));
  return owner !== undefined && owner.started !== undefined && startTime(owner.pid) === owner.started ? owner.pid : undefined;
}

function readOwner(path: string): { readonly pid: number; readonly started: string | undefined } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { pid: number; started: string };
  } catch {
    return undefined;
  }
}
