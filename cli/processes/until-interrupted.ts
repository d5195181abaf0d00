// How long a process runs: until Ctrl-C or SIGTERM.

import type { Io } from '../context.ts';

export function untilInterrupted(io: Io): Promise<void> {
  return new Promise((resolve) => {
    if (io.interrupted.aborted) resolve();
    io.interrupted.addEventListener('abort', () => resolve(), { once: true });
  });
}
