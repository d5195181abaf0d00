// The recent past, kept in memory for watchers: events in revision order, handed on in exactly that order. What is older than
// the window, or than this process, is answered with Compacted, and the watcher lists again.

import { StorageError } from './errors.ts';
import type { Revision, StorageEvent } from './storage.ts';

interface Watcher {
  readonly prefix: string;
  queue: StorageEvent[][];
  wake: (() => void) | undefined;
}

export class EventLog {
  readonly #window: number;
  #events: StorageEvent[] = [];
  /** Events at or below it are no longer here. */
  #floor: Revision;
  #closed = false;
  readonly #watchers = new Set<Watcher>();

  /** `window`: events kept. `start`: the store's revision when this process opened it. */
  constructor(start: Revision, window: number) {
    this.#floor = start;
    this.#window = window;
  }

  /** Called with rising revisions, once what it tells is durable. */
  append(events: readonly StorageEvent[]): void {
    this.#events.push(...events);
    // Cut in one go, well past the window, so that appending stays cheap; a transaction is never cut in two.
    if (this.#events.length > this.#window * 1.5) {
      let cut = this.#events.length - this.#window;
      const revision = this.#events[cut - 1]?.revision ?? this.#floor;
      while (this.#events[cut]?.revision === revision) cut += 1;
      this.#floor = revision;
      this.#events = this.#events.slice(cut);
    }
    for (const watcher of this.#watchers) {
      const mine = events.filter((event) => event.key.startsWith(watcher.prefix));
      if (mine.length === 0) continue;
      watcher.queue.push(mine);
      watcher.wake?.();
    }
  }

  /** As `StorageWatcher.watch` promises. */
  async *watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<readonly StorageEvent[]> {
    if (this.#closed) throw new StorageError('Closed', 'the store is closed');
    if (after < this.#floor) throw new StorageError('Compacted', `revision ${after} is no longer kept; the oldest is ${this.#floor}`);
    const past = this.#events.slice(firstAfter(this.#events, after)).filter((event) => event.key.startsWith(prefix));
    const watcher: Watcher = { prefix, queue: past.length === 0 ? [] : [past], wake: undefined };
    this.#watchers.add(watcher);
    const wake = (): void => watcher.wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const batch = watcher.queue.shift();
        if (batch !== undefined) {
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
