// A queue of keys to reconcile. A key waits at most once, is never worked on twice at the same time, and is worked on again when it was
// added meanwhile. A key that fails waits longer each time, alone.

import type { Clock } from '../clock/index.ts';

/** Ask to be called again after so many milliseconds, or not. */
export type Outcome = { readonly requeueAfterMs: number } | undefined | void;

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly process: (key: string) => Promise<Outcome>;
  /** Keys worked on at once; default 1. */
  readonly concurrency?: number;
  /** Told of each failure; `attempt` counts from 1. */
  readonly onError?: (key: string, error: unknown, attempt: number) => void;
  readonly firstDelayMs?: number;
  readonly lastDelayMs?: number;
}

export interface WorkQueue {
  add(key: string): void;
  addAfter(key: string, ms: number): void;
  /** Resolves when nothing waits and nothing is worked on; delayed keys do not count. */
  idle(): Promise<void>;
  /** Takes no more keys; resolves when what is under way is done. */
  stop(): Promise<void>;
  /** Keys waiting. */
  readonly length: number;
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { clock, process, concurrency = 1, firstDelayMs = 50, lastDelayMs = 60_000 } = options;
  const waiting = new Set<string>();
  const active = new Set<string>();
  const again = new Set<string>();
  const failures = new Map<string, number>();
  const timers = new Map<string, { readonly due: number; readonly cancel: () => void }>();
  const idlers: (() => void)[] = [];
  let stopped = false;

  function add(key: string): void {
    if (stopped) return;
    if (active.has(key)) again.add(key);
    else waiting.add(key);
    pump();
  }

  function addAfter(key: string, ms: number): void {
    if (stopped) return;
    const due = clock.monotonic() + ms;
    const known = timers.get(key);
    if (known !== undefined && known.due <= due) return;
    known?.cancel();
    const cancel = clock.after(ms, () => {
      timers.delete(key);
      add(key);
    });
    timers.set(key, { due, cancel });
  }

  function pump(): void {
    for (const key of waiting) {
      if (active.size >= concurrency) return;
      waiting.delete(key);
      active.add(key);
      void work(key);
    }
    if (active.size === 0 && waiting.size === 0) for (const resolve of idlers.splice(0)) resolve();
  }

  async function work(key: string): Promise<void> {
    // A turn of the loop first: the adder finishes before its key is worked on, and a full queue lets others in.
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    try {
      if (!stopped) {
        const outcome = await process(key);
        failures.delete(key);
        if (outcome !== undefined) addAfter(key, outcome.requeueAfterMs);
      }
    } catch (error) {
      const attempt = (failures.get(key) ?? 0) + 1;
      failures.set(key, attempt);
      options.onError?.(key, error, attempt);
      addAfter(key, Math.min(firstDelayMs * 2 ** (attempt - 1), lastDelayMs));
    }
    active.delete(key);
    if (again.delete(key) && !stopped) waiting.add(key);
    pump();
  }

  return {
    add,
    addAfter,
    idle: () => new Promise((resolve) => {
      idlers.push(resolve);
      pump();
    }),
    stop() {
      stopped = true;
      waiting.clear();
      for (const { cancel } of timers.values()) cancel();
      timers.clear();
      return this.idle();
    },
    get length() {
      return waiting.size;
    },
  };
}
