// How long to wait before the next attempt: 10 s, 20 s, … 5 min, as the kubelet does; forgotten after ten good minutes.

const FIRST_MS = 10_000;
const LAST_MS = 300_000;
const FORGET_MS = 600_000;

export class Backoff {
  #delay = 0;
  #lastEnd = Number.NEGATIVE_INFINITY;

  /** The delay before the next attempt, milliseconds, after an attempt that began at `began` and failed at `now` (monotonic). */
  next(began: number, now: number): number {
    if (now - began > FORGET_MS && now - this.#lastEnd > FORGET_MS) this.#delay = 0;
    this.#delay = this.#delay === 0 ? FIRST_MS : Math.min(this.#delay * 2, LAST_MS);
    this.#lastEnd = now;
    return this.#delay;
  }

  /** The last attempt did some good. */
  reset(): void {
    this.#delay = 0;
  }
}
