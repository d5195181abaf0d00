// The real clock. Timers of `after` are unreferenced: a forgotten one never keeps a process from ending.

import type { Clock } from './clock.ts';

export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after,
  sleep,
  random: () => Math.random(),
});

/** Longest delay a timer of the platform takes; longer ones are cut into pieces. */
const LONGEST_MS = 2 ** 31 - 1;

function after(ms: number, callback: () => void): () => void {
  let timer = arm(ms);
  function arm(left: number): NodeJS.Timeout {
    const piece = Math.min(Math.max(left, 0), LONGEST_MS);
    const fire = left > piece ? () => { timer = arm(left - piece); } : callback;
    return setTimeout(fire, piece).unref();
  }
  return () => clearTimeout(timer);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    // Referenced, unlike `after`: someone awaits it.
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, Math.min(Math.max(ms, 0), LONGEST_MS));
    function abort(): void {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', abort, { once: true });
  });
}
