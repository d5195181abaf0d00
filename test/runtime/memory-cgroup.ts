// A memory cgroup for a test, of whichever version the machine has.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemoryCgroup {
  /** A process that writes its pid here is in it. */
  readonly procs: string;
  /** Bytes it held at most, page cache included. */
  readonly peak: () => number;
  readonly remove: () => void;
}

/** Why there is none to be had here, or one that may hold `bytes`. */
export function makeMemoryCgroup(name: string, bytes: number): MemoryCgroup | string {
  const first = existsSync('/sys/fs/cgroup/memory');
  const root = first ? join('/sys/fs/cgroup/memory', ownPath()) : '/sys/fs/cgroup';
  const folder = join(root, name);
  try {
    if (!first) writeFileSync(join(root, 'cgroup.subtree_control'), '+memory');
    mkdirSync(folder);
    writeFileSync(join(folder, first ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes));
  } catch (error) {
    return `no memory cgroup can be made here (${error instanceof Error ? error.message : String(error)}): it needs root`;
  }
  const peak = join(folder, first ? 'memory.max_usage_in_bytes' : 'memory.peak');
  return { procs: join(folder, 'cgroup.procs'), peak: () => Number(readFileSync(peak, 'utf8')), remove: () => rmdirSync(folder) };
}

function ownPath(): string {
  return /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:\/(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '';
}
