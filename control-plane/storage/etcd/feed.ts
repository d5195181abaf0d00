// The one watch of etcd that feeds all watchers of this store. When it breaks it goes on from where it was, at another endpoint if need
// be; when that place is no longer kept, watchers begin anew from theirs, and those too far back are told so.

import type { Clock } from '@copepod/client/clock';
import { closedStore, compactedAt, isStorageError } from '../errors.ts';
import type { Revision, WatchBatch, WatchOptions } from '../storage.ts';
import { WatchHub } from '../watch-hub.ts';
import { changes } from './changes.ts';
import type { EtcdChannel } from './channel.ts';
import { METHODS, revisionOf } from './messages.ts';

export interface FeedOptions {
  readonly channel: EtcdChannel;
  readonly prefix: string;
  readonly clock: Clock;
  /** Where the feed begins. */
  readonly start: Revision;
  readonly onTrouble: (error: unknown) => void;
}

interface PastReader {
  readonly batches: AsyncGenerator<WatchBatch>;
  readonly stop: () => void;
}

/** A watch that has not told for so long what etcd is known to have is given up for another endpoint, milliseconds. */
const STALL_MS = 1500;
const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 1000;
/** How long a reader of the past waits for its watcher to come back. */
const PAST_MS = 5000;

export class EtcdFeed {
  readonly #options: FeedOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** Readers of the past by the revision they have come to. */
  readonly #past = new Map<Revision, PastReader>();
  readonly #waiting: { readonly revision: Revision; readonly resolve: () => void }[] = [];
  #hub: WatchHub;
  #revision: Revision;
  #known: Revision;
  #compacted: Revision = 0;
  #current = new AbortController();
  #cancelStall: (() => void) | undefined;
  interruptions = 0;
  readonly #live = Promise.withResolvers<void>();

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#revision = options.start;
    this.#known = options.start;
    this.#hub = this.#newHub();
    this.#running = this.#run();
  }

  /** Resolves when etcd watches for the first time; rejects with what kept it from that. */
  get live(): Promise<void> {
    return this.#live.promise;
  }

  async *watch(options: WatchOptions): AsyncGenerator<WatchBatch> {
    const { signal } = options;
    let { after } = options;
    if (this.#stop.signal.aborted) throw closedStore();
    if (after < this.#compacted) throw compactedAt(after, this.#compacted);
    while (!signal.aborted && !this.#stop.signal.aborted) {
      for await (const batch of this.#hub.watch({ ...options, after })) {
        after = batch.revision;
        yield batch;
      }
    }
  }

  /** etcd has come so far, somebody was told. */
  known(revision: Revision): void {
    if (revision <= this.#known) return;
    this.#known = revision;
    if (this.#cancelStall === undefined && this.#known > this.#revision) this.#watchForStall();
  }

  /** Nobody is served from below `revision` any more. */
  compacted(revision: Revision): void {
    this.#compacted = Math.max(this.#compacted, revision);
  }

  /** Resolves when watchers have been told all up to `revision`, or none ever will be. */
  reach(revision: Revision): Promise<void> {
    if (revision <= this.#revision || this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ revision, resolve });
    });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#current.abort();
    this.#cancelStall?.();
    this.#hub.close();
    for (const { resolve } of this.#waiting) resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { channel, prefix, clock, onTrouble } = this.#options;
    const closing = this.#stop.signal;
    for (let pause = FIRST_PAUSE_MS; !closing.aborted;) {
      this.#current = new AbortController();
      const signal = AbortSignal.any([closing, this.#current.signal]);
      try {
        for await (const batch of changes({ channel, prefix, after: this.#revision, signal, onLive: () => this.#live.resolve() })) {
          pause = FIRST_PAUSE_MS;
          this.#append(batch);
        }
      } catch (error) {
        this.#live.reject(error);
        if (closing.aborted) return;
        onTrouble(error);
        if (isStorageError(error, 'Compacted')) await this.#beginAnew().catch(onTrouble);
      }
      if (closing.aborted) return;
      this.interruptions += 1;
      await clock.sleep(pause * (0.5 + clock.random()), closing).catch(() => {});
      pause = Math.min(pause * 2, LAST_PAUSE_MS);
    }
  }

  #append({ events, revision }: WatchBatch): void {
    this.#revision = revision;
    this.#hub.append(events, revision);
    for (let index = this.#waiting.length - 1; index >= 0; index -= 1) {
      const waiter = this.#waiting[index];
      if (waiter === undefined || waiter.revision > revision) continue;
      this.#waiting.splice(index, 1);
      waiter.resolve();
    }
    this.known(revision);
    if (this.#revision >= this.#known) {
      this.#cancelStall?.();
      this.#cancelStall = undefined;
    }
  }

  /** What lies between is lost to this feed: a new hub knows nothing from before it, and asks etcd. */
  async #beginAnew(): Promise<void> {
    const { channel, prefix } = this.#options;
    const answer = await channel.call(METHODS.range, { key: Buffer.from(`${prefix}/`), limit: 1, keysOnly: true }, { repeatable: true });
    const old = this.#hub;
    this.#revision = revisionOf(answer);
    this.#hub = this.#newHub();
    old.close();
    this.#append({ events: [], revision: this.#revision });
  }

  #newHub(): WatchHub {
    return new WatchHub({
      revision: () => this.#revision,
      // Watchers who stand where the feed stands have missed nothing.
      compacted: () => Math.min(this.#compacted, this.#revision),
      read: (after) => this.#readPast(after),
    });
  }

  async #readPast(after: Revision): Promise<WatchBatch> {
    // Nothing happened at etcd's first revision.
    if (after < 1) return { events: [], revision: 1 };
    const { channel, prefix, clock, onTrouble } = this.#options;
    const closing = this.#stop.signal;
    let reader = this.#past.get(after);
    this.#past.delete(after);
    while (!closing.aborted) {
      if (reader === undefined) {
        const stop = new AbortController();
        reader = { batches: changes({ channel, prefix, after, signal: AbortSignal.any([closing, stop.signal]) }), stop: () => stop.abort() };
      }
      try {
        const next = await reader.batches.next();
        if (next.done === true) break;
        this.#keep(next.value.revision, reader);
        return next.value;
      } catch (error) {
        if (!isStorageError(error, 'Unavailable')) throw error;
        onTrouble(error);
        reader = undefined;
        await clock.sleep(FIRST_PAUSE_MS + clock.random() * LAST_PAUSE_MS, closing).catch(() => {});
      }
    }
    throw closedStore();
  }

  /** For the watcher that comes back at `revision`; one that has caught up goes on with the feed. */
  #keep(revision: Revision, reader: PastReader): void {
    if (revision >= this.#revision || this.#past.has(revision) || this.#stop.signal.aborted) {
      reader.stop();
      return;
    }
    this.#past.set(revision, reader);
    this.#options.clock.after(PAST_MS, () => {
      if (this.#past.get(revision) !== reader) return;
      this.#past.delete(revision);
      reader.stop();
    });
  }

  /** A member of etcd that was stopped or cut off keeps its connections open and says nothing. */
  #watchForStall(): void {
    const from = this.#revision;
    this.#cancelStall = this.#options.clock.after(STALL_MS, () => {
      this.#cancelStall = undefined;
      if (this.#revision >= this.#known || this.#stop.signal.aborted) return;
      if (this.#revision === from) {
        this.#options.channel.leave(this.#options.channel.preferred);
        this.#current.abort();
      }
      this.#watchForStall();
    });
  }
}
