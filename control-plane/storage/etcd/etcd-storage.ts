// The store in etcd. Its revision is etcd's own, every read is linearizable, a commit is one Txn that compares the revisions it expects.
// One watch of etcd feeds all watchers here; those that come from further back read etcd's past by a watch of their own.

import { type Clock, systemClock } from '@copepod/client/clock';
import { closedStore, compactedAt, isStorageError, noLease, notYetAt, StorageError } from '../errors.ts';
import { checkSeconds } from '../lessor.ts';
import { checkLimit, checkMutations, expectAt } from '../mutations.ts';
import type { LeaseId, ListOptions, ListResult, Mutation, ReadOptions, Revision, Storage, StorageStatus, StoredValue, WatchBatch, WatchOptions } from '../storage.ts';
import { oldestKept, toStored } from './changes.ts';
import { EtcdChannel } from './channel.ts';
import { EtcdFeed } from './feed.ts';
import { type Answer, type LeaseAnswer, METHODS, type RangeAnswer, revisionOf, type StatusAnswer, type TxnAnswer } from './messages.ts';

export interface EtcdStorageOptions {
  /** `https://host:port` each; the first that answers is used, the others when it fails. */
  readonly endpoints: readonly string[];
  /** PEM. */
  readonly tls?: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined } | undefined;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** Stands before every key, so that several clusters may share one etcd; keys begin with a slash then. Default none. */
  readonly prefix?: string | undefined;
  readonly clock?: Clock;
  /** Told when the watch of etcd broke; it goes on by itself. */
  readonly onTrouble?: (error: unknown) => void;
}

/** Items asked of etcd at once: bounds the size of one answer. */
const PAGE = 1000;
const EQUAL = 0;
const MOD = 2;

/** StorageError when no endpoint answers, or the options make no sense. */
export async function openEtcdStorage(options: EtcdStorageOptions): Promise<Storage> {
  const { clock = systemClock, prefix = '' } = options;
  const channel = new EtcdChannel({ ...options, clock });
  try {
    const start = await readRevision(channel, prefix);
    const feed = new EtcdFeed({ channel, prefix, clock, start, onTrouble: options.onTrouble ?? (() => {}) });
    try {
      await feed.live;
    } catch (error) {
      await feed.close();
      throw error;
    }
    return new EtcdStorage({ channel, prefix, feed });
  } catch (error) {
    channel.close();
    throw error;
  }
}

class EtcdStorage implements Storage {
  readonly #channel: EtcdChannel;
  readonly #prefix: string;
  readonly #feed: EtcdFeed;
  readonly #commits = new Set<Promise<unknown>>();
  #reading: Promise<Revision> | undefined;
  #nextReading: Promise<Revision> | undefined;
  #closed = false;

  constructor({ channel, prefix, feed }: { readonly channel: EtcdChannel; readonly prefix: string; readonly feed: EtcdFeed }) {
    this.#channel = channel;
    this.#prefix = prefix;
    this.#feed = feed;
  }

  async get(key: string, { revision }: ReadOptions = {}): Promise<StoredValue | undefined> {
    const answer = await this.#range({ key: this.#key(key), revision: revision ?? 0 }, revision);
    const [kv] = answer.kvs;
    return kv === undefined ? undefined : toStored(kv, this.#prefix);
  }

  async list({ prefix, after, limit, revision }: ListOptions): Promise<ListResult> {
    checkLimit(limit);
    const items: StoredValue[] = [];
    // All keys of a store begin with a slash where its neighbours' may begin with the same prefix.
    const within = prefix === '' && this.#prefix !== '' ? '/' : prefix;
    const rangeEnd = endOf(this.#key(within));
    // A continuation from before the prefix begins with it.
    let key = after === undefined || after < within ? this.#key(within) : behind(this.#key(after));
    let at = revision;
    for (;;) {
      const wanted = limit === undefined ? PAGE : Math.min(limit - items.length, PAGE);
      const answer = await this.#range({ key, rangeEnd, limit: wanted, revision: at ?? 0 }, at);
      at ??= revisionOf(answer);
      for (const kv of answer.kvs) items.push(toStored(kv, this.#prefix));
      const last = answer.kvs.at(-1);
      if (!answer.more || last === undefined || items.length === limit) return { items, revision: at, more: answer.more };
      key = behind(last.key);
    }
  }

  /** Callers who come while one is being read share the next. */
  revision(): Promise<Revision> {
    if (this.#closed) return Promise.reject(closedStore());
    this.#nextReading ??= (async () => {
      await this.#reading?.catch(() => {});
      this.#nextReading = undefined;
      this.#reading = this.#read(readRevision(this.#channel, this.#prefix));
      return await this.#reading;
    })();
    return this.#nextReading;
  }

  async commit(mutations: readonly Mutation[]): Promise<Revision> {
    if (this.#closed) throw closedStore();
    checkMutations(mutations);
    const running = this.#commit(mutations);
    this.#commits.add(running);
    try {
      return await running;
    } finally {
      this.#commits.delete(running);
    }
  }

  watch(options: WatchOptions): AsyncIterable<WatchBatch> {
    return this.#feed.watch(options);
  }

  async grant(seconds: number): Promise<LeaseId> {
    checkSeconds(seconds);
    // One that was granted twice runs out by itself.
    const { ID } = await this.#call<LeaseAnswer>(METHODS.leaseGrant, { TTL: seconds });
    return ID.toString();
  }

  async keepAlive(lease: LeaseId): Promise<number> {
    checkLease(lease);
    if (this.#closed) throw closedStore();
    const { stream, endpoint } = await this.#channel.open(METHODS.leaseKeepAlive);
    try {
      stream.write({ ID: lease });
      for await (const answer of stream as AsyncIterable<LeaseAnswer>) {
        const seconds = answer.TTL.toNumber();
        if (seconds <= 0) throw noLease(lease);
        return seconds;
      }
      throw new StorageError('Unavailable', `etcd at ${endpoint} ended the stream`);
    } catch (error) {
      throw this.#channel.judgeStream(error, endpoint);
    } finally {
      stream.cancel();
    }
  }

  async revoke(lease: LeaseId): Promise<void> {
    checkLease(lease);
    await this.#feed.reach(revisionOf(await this.#call(METHODS.leaseRevoke, { ID: lease }, false)));
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#call(METHODS.compact, { revision });
    } catch (error) {
      if (isStorageError(error, 'Future')) throw notYetAt(revision, await this.revision());
      if (!isStorageError(error, 'Compacted')) throw error;
      // It was, so far or further.
      return;
    }
    this.#feed.compacted(revision);
  }

  async status(): Promise<StorageStatus> {
    const { version, dbSize, dbSizeInUse } = await this.#call<StatusAnswer>(METHODS.status, {});
    const compacted = await this.#range({ key: this.#key('/'), revision: 1, countOnly: true }, 1).then(() => 0, (error: unknown) => {
      if (isStorageError(error, 'Compacted')) return oldestKept(this.#channel);
      throw error;
    });
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return {
      implementation: 'etcd', revision: await this.revision(), compacted,
      figures: [
        { name: 'etcd_database_bytes', help: `Size of the database file of the etcd member in use, ${this.#channel.preferred} (${version})`, value: dbSize.toNumber(), kind: 'gauge' },
        { name: 'etcd_database_used_bytes', help: 'What of it is in use', value: dbSizeInUse.toNumber(), kind: 'gauge' },
        { name: 'etcd_version', help: 'Major times 1000 plus minor of the member in use', value: major * 1000 + minor, kind: 'gauge' },
        { name: 'etcd_watch_interruptions', help: 'Times the watch of etcd broke and went on', value: this.#feed.interruptions, kind: 'counter' },
      ],
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#commits);
    await this.#feed.close();
    this.#channel.close();
  }

  async #commit(mutations: readonly Mutation[]): Promise<Revision> {
    for (const mutation of mutations) {
      if (mutation.type === 'put' && mutation.lease !== undefined) checkLease(mutation.lease);
      if (this.#prefix !== '' && !mutation.key.startsWith('/')) throw new StorageError('Invalid', `${mutation.key}: in an etcd that is shared by prefix a key begins with a slash`);
    }
    const answer = await this.#call<TxnAnswer>(METHODS.txn, {
      compare: mutations.map(({ key, expect }) => ({ result: EQUAL, target: MOD, key: this.#key(key), modRevision: expect })),
      success: mutations.flatMap((mutation) => {
        const key = this.#key(mutation.key);
        switch (mutation.type) {
          case 'put': return { requestPut: { key, value: mutation.value, lease: mutation.lease ?? 0 } };
          case 'delete': return { requestDeleteRange: { key } };
          case 'check': return [];
        }
      }),
      failure: mutations.map(({ key }) => ({ requestRange: { key: this.#key(key), keysOnly: true } })),
    }, false);
    if (answer.succeeded) return revisionOf(answer);
    for (const [index, mutation] of mutations.entries()) {
      const kv = answer.responses[index]?.responseRange?.kvs[0];
      expectAt(mutation, kv === undefined ? undefined : { modRevision: kv.modRevision.toNumber() });
    }
    throw new StorageError('Io', 'etcd refused a commit whose every key is as expected');
  }

  async #range(request: { readonly key: Buffer; readonly rangeEnd?: Buffer; readonly limit?: number; readonly revision: Revision; readonly countOnly?: boolean }, asked: Revision | undefined): Promise<RangeAnswer> {
    // To etcd 0 means now; here it is the time before anything was.
    if (asked !== undefined && asked < 1) throw compactedAt(asked, 1);
    try {
      return await this.#call<RangeAnswer>(METHODS.range, request);
    } catch (error) {
      if (asked === undefined) throw error;
      if (isStorageError(error, 'Future')) throw notYetAt(asked, await this.revision());
      if (isStorageError(error, 'Compacted')) throw new StorageError('Compacted', `revision ${asked} is no longer kept`, { cause: error });
      throw error;
    }
  }

  async #call<T extends Answer>(method: (typeof METHODS)[keyof typeof METHODS], message: object, repeatable = true): Promise<T> {
    if (this.#closed) throw closedStore();
    return this.#read(this.#channel.call<T>(method, message, { repeatable }));
  }

  /** What any answer tells of the store's revision is news for the feed. */
  async #read<T extends Answer | Revision>(answer: Promise<T>): Promise<T> {
    const value = await answer;
    this.#feed.known(typeof value === 'number' ? value : revisionOf(value));
    return value;
  }

  #key(key: string): Buffer {
    return Buffer.from(this.#prefix + key, 'utf8');
  }
}

async function readRevision(channel: EtcdChannel, prefix: string): Promise<Revision> {
  return revisionOf(await channel.call(METHODS.range, { key: Buffer.from(`${prefix}/`), limit: 1, keysOnly: true }, { repeatable: true }));
}

/** The first key after all those that begin with `prefix`. */
function endOf(prefix: Buffer): Buffer {
  for (let index = prefix.length - 1; index >= 0; index -= 1) {
    const byte = prefix[index] ?? 0xff;
    if (byte < 0xff) return Buffer.concat([prefix.subarray(0, index), Buffer.from([byte + 1])]);
  }
  return Buffer.from([0]);
}

function behind(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

function checkLease(lease: LeaseId): void {
  if (!/^[1-9]\d{0,18}$/.test(lease)) throw noLease(lease);
}
