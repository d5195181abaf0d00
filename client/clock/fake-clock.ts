// Time that stands still until a test moves it. `advance` lets everything a timer starts settle before the next one fires.

import type { Clock } from './clock.ts';

export interface FakeClock extends Clock {
  /** Fires what falls due within `ms`, in order of time, then of being set; work started by each settles before the next. */
  advance(ms: number): Promise<void>;
  /** Timers waiting. */
  pending(): number;
}

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** `random` answers the same sequence for the same `seed`. */
export function fakeClock(start = 1_700_000_000_000, seed = 1): FakeClock {
  let elapsed = 0;
  let state = seed >>> 0;
  const timers = new Set<Timer>();

  function after(ms: number, callback: () => void): () => void {
    const timer = { due: elapsed + Math.max(ms, 0), callback };
    timers.add(timer);
    return () => void timers.delete(timer);
  }

  function next(limit: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of timers) {
      if (timer.due <= limit && (first === undefined || timer.due < first.due)) first = timer;
    }
    return first;
  }

  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    after,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason);
          return;
        }
        const abort = (): void => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(ms, () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        });
        signal?.addEventListener('abort', abort, { once: true });
      });
    },
    random() {
      // A linear congruential generator: enough to spread, and repeatable.
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    },
    async advance(ms) {
      const until = elapsed + ms;
      await settle();
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        timers.delete(timer);
        elapsed = Math.max(elapsed, timer.due);
        timer.callback();
        await settle();
      }
      elapsed = until;
    },
    pending: () => timers.size,
  };
}

/** Several turns of the event loop: promise chains and in-process requests run to where they wait for time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
