// The recent past, kept in memory for watchers: events in revision order, handed on in exactly that order. What is older than
// the window, or than this process, is answered with Compacted, and the watcher lists again.

import { StorageError } from './errors.ts';
import type { Revision, StorageEvent } from './storage.ts';

interface Watcher {
  readonly prefix: string;
  queue: StorageEvent[][];
  /** Events in `queue`. */
  waiting: number;
  wake: (() => void) | undefined;
}

/** Values the window may hold, bytes: what a small device can spare. */
const MAX_BYTES = 8 * 1024 * 1024;

export class EventLog {
  readonly #window: number;
  #events: StorageEvent[] = [];
  #bytes = 0;
  /** Events at or below it are no longer here. */
  #floor: Revision;
  #closed = false;
  readonly #watchers = new Set<Watcher>();

  /** `window`: events kept, fewer when their values are large. `start`: the store's revision when this process opened it. */
  constructor(start: Revision, window: number) {
    this.#floor = start;
    this.#window = window;
  }

  /** Called with rising revisions, once what it tells is durable. */
  append(events: readonly StorageEvent[]): void {
    this.#events.push(...events);
    for (const event of events) this.#bytes += sizeOf(event);
    // Cut in one go, well past the window, so that appending stays cheap; a transaction is never cut in two.
    if (this.#events.length > this.#window * 1.5 || this.#bytes > MAX_BYTES * 1.5) {
      let cut = Math.max(0, this.#events.length - this.#window);
      let left = this.#bytes;
      for (const [index, event] of this.#events.entries()) {
        if (index >= cut && left <= MAX_BYTES) break;
        left -= sizeOf(event);
        cut = Math.max(cut, index + 1);
      }
      const revision = this.#events[cut - 1]?.revision ?? this.#floor;
      while (this.#events[cut]?.revision === revision) cut += 1;
      this.#floor = revision;
      this.#events = this.#events.slice(cut);
      this.#bytes = this.#events.reduce((sum, event) => sum + sizeOf(event), 0);
    }
    for (const watcher of this.#watchers) {
      const mine = events.filter((event) => event.key.startsWith(watcher.prefix));
      if (mine.length === 0) continue;
      watcher.queue.push(mine);
      watcher.waiting += mine.length;
      watcher.wake?.();
    }
  }

  /** As `StorageWatcher.watch` promises. */
  async *watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<readonly StorageEvent[]> {
    if (this.#closed) throw new StorageError('Closed', 'the store is closed');
    if (after < this.#floor) throw new StorageError('Compacted', `revision ${after} is no longer kept; the oldest is ${this.#floor}`);
    const past = this.#events.slice(firstAfter(this.#events, after)).filter((event) => event.key.startsWith(prefix));
    const watcher: Watcher = { prefix, queue: past.length === 0 ? [] : [past], waiting: past.length, wake: undefined };
    this.#watchers.add(watcher);
    const wake = (): void => watcher.wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        // A reader that takes nothing must not fill the memory: it is sent to list again.
        if (watcher.waiting > this.#window * 2) throw new StorageError('Compacted', `the watcher is ${watcher.waiting} events behind`);
        const batch = watcher.queue.shift();
        if (batch !== undefined) {
          watcher.waiting -= batch.length;
          yield batch;
          continue;
        }
        if (this.#closed) return;
        await new Promise<void>((resolve) => {
          watcher.wake = resolve;
        });
        watcher.wake = undefined;
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.wake?.();
  }
}

function sizeOf(event: StorageEvent): number {
  return (event.type === 'put' ? event.value.length : 0) + (event.previous?.value.length ?? 0);
}

/** Index of the first event later than `revision`. */
function firstAfter(events: readonly StorageEvent[], revision: Revision): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
