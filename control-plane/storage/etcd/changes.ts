// What etcd tells of its past and its present: all changes of all keys, in order, from a revision on, as whole transactions. All keys,
// because then every revision is an event and a watcher knows how far it has come, on every version of etcd (before 3.4.25 and 3.5.8
// an answer to a progress request may overtake events).

import { StorageError } from '../errors.ts';
import type { LeaseId, Revision, StorageEvent, StoredValue, WatchBatch } from '../storage.ts';
import type { EtcdChannel } from './channel.ts';
import { type KeyValue, type Long, METHODS, revisionOf, type WatchAnswer, type WatchEvent } from './messages.ts';

export interface ChangesOptions {
  readonly channel: EtcdChannel;
  /** Stands before every key of this store in etcd. */
  readonly prefix: string;
  readonly after: Revision;
  readonly signal: AbortSignal;
  /** Called once etcd watches. */
  readonly onLive?: () => void;
}

/** The whole of the key space. */
const ALL = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

/**
 * Ends with the signal, and throws when the watch breaks (StorageError Compacted when `after` is too old). Batches without events tell
 * how far etcd has come. The next is asked of etcd only when the last was taken.
 */
export async function* changes(options: ChangesOptions): AsyncGenerator<WatchBatch> {
  // One who is up to date asks for what comes next, and hears it at once. One who is behind asks for what it has heard last too, and
  // drops it: etcd then says so when the one after it may be incomplete.
  const upToDate = yield* oneStream(options, options.after + 1);
  if (!upToDate) yield* oneStream(options, Math.max(options.after, 1));
}

/** False, before anything was told, when `after` is behind and the stream does not begin with it. */
async function* oneStream({ channel, prefix, after, signal, onLive }: ChangesOptions, startRevision: Revision): AsyncGenerator<WatchBatch, boolean> {
  const { stream, endpoint } = await channel.open(METHODS.watch);
  const cancel = (): void => stream.cancel();
  signal.addEventListener('abort', cancel);
  if (signal.aborted) cancel();
  try {
    stream.write({ createRequest: { ...ALL, startRevision, progressNotify: true, prevKv: true, fragment: true } });
    let parts: WatchEvent[] = [];
    for await (const answer of stream as AsyncIterable<WatchAnswer>) {
      if (answer.canceled) throw cancelled(answer, after);
      if (answer.created) {
        if (startRevision > after && revisionOf(answer) > after) return false;
        onLive?.();
        continue;
      }
      parts = parts.concat(answer.events);
      if (answer.fragment) continue;
      const last = parts.at(-1);
      const revision = last === undefined ? revisionOf(answer) : last.kv.modRevision.toNumber();
      const events = parts.flatMap((event) => (event.kv.modRevision.toNumber() <= after ? [] : toEvent(event, prefix) ?? []));
      parts = [];
      if (revision > after) yield { events, revision };
    }
    if (!signal.aborted) throw new StorageError('Unavailable', `etcd at ${endpoint} ended the watch`);
    return true;
  } catch (error) {
    if (!signal.aborted) throw channel.judgeStream(error, endpoint);
    return true;
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

/** The oldest revision etcd keeps, which it tells only to a watch that asks for too much. 0 while nothing was dropped. */
export async function oldestKept(channel: EtcdChannel): Promise<Revision> {
  const { stream, endpoint } = await channel.open(METHODS.watch);
  try {
    stream.write({ createRequest: { ...ALL, startRevision: 1 } });
    for await (const answer of stream as AsyncIterable<WatchAnswer>) {
      if (answer.canceled && answer.compactRevision.toNumber() === 0) throw cancelled(answer, 0);
      if (!answer.created || answer.canceled) return answer.compactRevision.toNumber();
    }
    throw new StorageError('Unavailable', `etcd at ${endpoint} ended the watch`);
  } catch (error) {
    throw channel.judgeStream(error, endpoint);
  } finally {
    stream.cancel();
  }
}

function cancelled({ compactRevision, cancelReason }: WatchAnswer, after: Revision): StorageError {
  const compacted = compactRevision.toNumber();
  if (compacted > 0) return new StorageError('Compacted', `revision ${after} is no longer kept; the oldest is ${compacted}`);
  const denied = cancelReason.includes('permission denied') ? ' (the role of etcd\'s user needs read on all keys: etcdctl role grant-permission ROLE read "" --prefix)' : '';
  return new StorageError('Unavailable', `etcd refused the watch: ${cancelReason}${denied}`);
}

/** Undefined for a key of somebody else. StorageError Compacted when what was there before is gone. */
function toEvent({ type, kv, prevKv }: WatchEvent, prefix: string): StorageEvent | undefined {
  const full = kv.key.toString('utf8');
  if (!full.startsWith(prefix)) return undefined;
  const key = full.slice(prefix.length);
  // `/copepod` is the beginning of `/copepod-too/…` as well.
  if (prefix !== '' && !key.startsWith('/')) return undefined;
  const revision = kv.modRevision.toNumber();
  const previous = prevKv === undefined || prevKv === null ? undefined : toStored(prevKv, prefix);
  if (previous === undefined && (type === 1 || kv.version.toNumber() > 1)) throw new StorageError('Compacted', `what ${key} was before revision ${revision} is no longer kept`);
  if (type !== 1) return { type: 'put', key, value: kv.value, revision, lease: leaseOf(kv.lease), previous };
  return { type: 'delete', key, revision, previous: previous as StoredValue };
}

export function toStored(kv: KeyValue, prefix: string): StoredValue {
  return { key: kv.key.toString('utf8').slice(prefix.length), value: kv.value, createRevision: kv.createRevision.toNumber(), modRevision: kv.modRevision.toNumber(), lease: leaseOf(kv.lease) };
}

function leaseOf(id: Long): LeaseId | undefined {
  const text = id.toString();
  return text === '0' ? undefined : text;
}
