// The time of leases, for stores that keep it themselves. Counted by the monotonic clock while the store is open, so that a jump of
// the wall clock ends none.

import type { Clock } from '@copepod/client/clock';
import { noLease, StorageError } from './errors.ts';
import type { LeaseId } from './storage.ts';

interface Lease {
  readonly seconds: number;
  cancel: () => void;
}

/** After a failed end (a full disk), the next try. */
const RETRY_MS = 1000;

export class Lessor {
  readonly #clock: Clock;
  readonly #end: (lease: LeaseId) => Promise<void>;
  readonly #leases = new Map<LeaseId, Lease>();

  /** `end` deletes the lease and its keys; it is called when its time is over, and again when that failed. */
  constructor(clock: Clock, end: (lease: LeaseId) => Promise<void>) {
    this.#clock = clock;
    this.#end = end;
  }

  get size(): number {
    return this.#leases.size;
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  /** Starts its time. */
  add(id: LeaseId, seconds: number): void {
    this.#leases.set(id, { seconds, cancel: this.#arm(id, seconds * 1000) });
  }

  /** StorageError NoLease. */
  keepAlive(id: LeaseId): number {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw noLease(id);
    lease.cancel();
    lease.cancel = this.#arm(id, lease.seconds * 1000);
    return lease.seconds;
  }

  remove(id: LeaseId): void {
    this.#leases.get(id)?.cancel();
    this.#leases.delete(id);
  }

  close(): void {
    for (const lease of this.#leases.values()) lease.cancel();
    this.#leases.clear();
  }

  #arm(id: LeaseId, ms: number): () => void {
    return this.#clock.after(ms, () => {
      this.#end(id).catch(() => {
        const lease = this.#leases.get(id);
        if (lease !== undefined) lease.cancel = this.#arm(id, RETRY_MS);
      });
    });
  }
}

/** StorageError Invalid when it is no whole number of seconds. */
export function checkSeconds(seconds: number): void {
  if (!Number.isSafeInteger(seconds) || seconds < 1) throw new StorageError('Invalid', `a lease of ${seconds} seconds: it must be a whole number of at least 1`);
}
