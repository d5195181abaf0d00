// What a controller wrote and its informer has not shown yet. Without it, a set would be planned on pods that are not seen yet, and
// make them twice. Kept by uid, so that a late event of another round is never taken for this one's.

const PATIENCE_MS = 30_000;

export class Expectations {
  readonly #pending = new Map<string, Map<string, number>>();
  /** Seen before they were expected: the event may overtake the answer to the write. */
  readonly #seen = new Map<string, Set<string>>();
  readonly #now: () => number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  expectCreated(key: string, uid: string): void {
    if (this.#seen.get(key)?.has(`+${uid}`) !== true) this.#expect(key, `+${uid}`);
  }

  expectDeleted(key: string, uid: string): void {
    this.#expect(key, `-${uid}`);
  }

  /** A pod was shown; `gone` when it was deleted. One that is marked for deletion counts as shown by its next event. */
  observe(key: string, uid: string, gone: boolean): void {
    const seen = this.#seen.get(key) ?? new Set<string>();
    this.#seen.set(key, seen);
    if (gone) seen.delete(`+${uid}`);
    else seen.add(`+${uid}`);
    const pending = this.#pending.get(key);
    pending?.delete(`+${uid}`);
    pending?.delete(`-${uid}`);
  }

  /** Everything expected was seen, or is waited for no longer. */
  met(key: string): boolean {
    const pending = this.#pending.get(key);
    if (pending === undefined) return true;
    for (const [mark, since] of pending) if (this.#now() - since > PATIENCE_MS) pending.delete(mark);
    return pending.size === 0;
  }

  forget(key: string): void {
    this.#pending.delete(key);
    this.#seen.delete(key);
  }

  #expect(key: string, mark: string): void {
    const pending = this.#pending.get(key) ?? new Map<string, number>();
    pending.set(mark, this.#now());
    this.#pending.set(key, pending);
  }
}
