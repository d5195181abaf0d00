// Watches over a store that can read its own past. A watcher is a place in the history and no queue: it reads on from where it is,
// from the tail in memory while it keeps up and from the store when it does not, so a slow one costs nothing and misses nothing.

import { closedStore, compactedAt, isStorageError } from './errors.ts';
import type { Revision, StorageEvent, WatchBatch, WatchOptions } from './storage.ts';

/** The store's own past. */
export interface History {
  /** The newest revision watchers may hear of. */
  revision(): Revision;
  /** Watches from here on are served. */
  compacted(): Revision;
  /** Events later than `after`, whole transactions, a bounded number; `revision` is how far they reach. Rejects with Closed. */
  read(after: Revision): Promise<WatchBatch>;
}

interface Watcher {
  readonly prefix: string;
  readonly progress: boolean;
  /** Everything up to here has been taken. */
  after: Revision;
  wake: (() => void) | undefined;
}

/** Bytes of values the tail may hold. */
const TAIL_BYTES = 8 * 1024 * 1024;
const TAIL_EVENTS = 10_000;

export class WatchHub {
  readonly #history: History;
  readonly #limit: number;
  readonly #watchers = new Set<Watcher>();
  #tail: StorageEvent[] = [];
  #bytes = 0;
  /** The tail holds every event later than this. */
  #floor: Revision;
  #closed = false;

  /** `limit`: events kept in memory, fewer when their values are large. */
  constructor(history: History, limit = TAIL_EVENTS) {
    this.#history = history;
    this.#limit = limit;
    this.#floor = history.revision();
  }

  /** Watchers under way. */
  get size(): number {
    return this.#watchers.size;
  }

  /** Called once `events`, all those up to `revision`, are durable and `history` shows them. */
  append(events: readonly StorageEvent[], revision: Revision): void {
    for (const event of events) {
      this.#tail.push(event);
      this.#bytes += sizeOf(event);
    }
    if (this.#tail.length > this.#limit * 1.5 || this.#bytes > TAIL_BYTES * 1.5) this.#cut();
    for (const watcher of this.#watchers) {
      if (watcher.wake === undefined) continue;
      if (watcher.progress || events.some((event) => event.key.startsWith(watcher.prefix))) rouse(watcher);
      else watcher.after = Math.max(watcher.after, revision);
    }
  }

  /** As `StorageWatcher.watch` promises. */
  async *watch({ prefix, after, signal, progress = false }: WatchOptions): AsyncGenerator<WatchBatch> {
    if (this.#closed) throw closedStore();
    const watcher: Watcher = { prefix, progress, after, wake: undefined };
    this.#watchers.add(watcher);
    const wake = (): void => rouse(watcher);
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted && !this.#closed) {
        if (watcher.after < this.#history.compacted()) throw compactedAt(watcher.after, this.#history.compacted());
        if (watcher.after >= this.#history.revision()) {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve;
          });
          continue;
        }
        const read = await this.#read(watcher.after);
        if (read === undefined) return;
        const { events, revision } = read;
        const mine = events.filter((event) => event.revision > watcher.after && event.key.startsWith(prefix));
        watcher.after = revision;
        if (mine.length > 0 || progress) yield { events: mine, revision };
        // What was read without a match must not keep everybody else waiting.
        else await new Promise<void>((resolve) => setImmediate(resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#watchers.delete(watcher);
    }
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) rouse(watcher);
  }

  /** Undefined when the store was closed meanwhile. */
  async #read(after: Revision): Promise<WatchBatch | undefined> {
    if (after < this.#floor) {
      try {
        return await this.#history.read(after);
      } catch (error) {
        if (isStorageError(error, 'Closed')) return undefined;
        throw error;
      }
    }
    return { events: this.#tail.slice(firstAfter(this.#tail, after)), revision: this.#history.revision() };
  }

  /** In one go, well past the limit, so that appending stays cheap; a transaction is never cut in two. */
  #cut(): void {
    let cut = 0;
    while (cut < this.#tail.length && (this.#tail.length - cut > this.#limit || this.#bytes > TAIL_BYTES)) {
      this.#bytes -= sizeOf(this.#tail[cut]);
      cut += 1;
    }
    this.#floor = this.#tail[cut - 1]?.revision ?? this.#floor;
    while (this.#tail[cut]?.revision === this.#floor) {
      this.#bytes -= sizeOf(this.#tail[cut]);
      cut += 1;
    }
    this.#tail = this.#tail.slice(cut);
  }
}

/** From here on it is no longer waiting, though it runs a moment later. */
function rouse(watcher: Watcher): void {
  const { wake } = watcher;
  watcher.wake = undefined;
  wake?.();
}

function sizeOf(event: StorageEvent | undefined): number {
  if (event === undefined) return 0;
  return (event.type === 'put' ? event.value.length : 0) + (event.previous?.value.length ?? 0);
}

/** Index of the first event later than `revision`. */
export function firstAfter(events: readonly { readonly revision: Revision }[], revision: Revision): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
