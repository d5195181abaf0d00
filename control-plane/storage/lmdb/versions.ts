// Reading keys as they are and as they were. Everything here is synchronous: one call sees one state of the store.

import type { Revision, StorageEvent, StoredValue, WatchBatch } from '../storage.ts';
import type { Environment } from './environment.ts';
import { isTombstone, keyOf, leaseOf, type Links, linksOf, lostRecord, type Position, positionOf, revisionOf, storedOf, valueOf } from './records.ts';

/** Sorts after every character a key may hold. */
const LAST = '\uffff';

/** Events read for a slow watcher at once, about. */
const CHUNK = 500;

export interface RecordReader {
  readonly log: { getBinaryFast(position: Position): Buffer | undefined };
}

export function readRecord({ log }: RecordReader, position: Position): Buffer | undefined {
  return position === 0 ? undefined : log.getBinaryFast(position);
}

export function newest(environment: Environment, key: string): StoredValue | undefined {
  const position = environment.live.get(key);
  return position === undefined ? undefined : storedAt(environment, key, position);
}

/** The key as it was right after `revision`, which is not below what was compacted. */
export function versionAt(environment: Environment, key: string, revision: Revision): StoredValue | undefined {
  const head = environment.live.get(key) ?? environment.graves.get(key);
  return head === undefined ? undefined : search(environment, key, head, revision);
}

function search(environment: Environment, key: string, head: Position, revision: Revision): StoredValue | undefined {
  let position = head;
  while (revisionOf(position) > revision) {
    const bytes = readRecord(environment, position);
    if (bytes === undefined) throw lostRecord(position);
    const { previous, jump } = linksOf(bytes);
    // A jump that stays above is no jump too far, and what is above was not compacted.
    position = jump !== 0 && revisionOf(jump) > revision ? jump : previous;
    if (position === 0) return undefined;
  }
  const bytes = readRecord(environment, position);
  // What was compacted away below is a deletion: of everything else the newest version is kept.
  return bytes === undefined ? undefined : storedOf(key, position, bytes);
}

function storedAt(environment: Environment, key: string, position: Position): StoredValue {
  const bytes = readRecord(environment, position);
  const stored = bytes === undefined ? undefined : storedOf(key, position, bytes);
  if (stored === undefined) throw lostRecord(position);
  return stored;
}

/** Up to `limit` keys after `after`, as they are now. */
export function listNewest(environment: Environment, prefix: string, after: string | undefined, limit: number): readonly StoredValue[] {
  const heads: (readonly [string, Position])[] = [];
  for (const head of headsOf(environment.live, prefix, after)) {
    if (heads.length >= limit) break;
    heads.push(head);
  }
  return heads.map(([key, position]) => storedAt(environment, key, position));
}

/** The same as they were right after `revision`. */
export function listAt(environment: Environment, prefix: string, after: string | undefined, limit: number, revision: Revision): readonly StoredValue[] {
  const found: StoredValue[] = [];
  const dead = headsOf(environment.graves, prefix, after);
  let grave = dead.next();
  const take = (key: string, head: Position): void => {
    const stored = search(environment, key, head, revision);
    if (stored !== undefined) found.push(stored);
  };
  for (const [key, head] of headsOf(environment.live, prefix, after)) {
    for (; grave.done !== true && grave.value[0] < key && found.length < limit; grave = dead.next()) take(...grave.value);
    if (found.length >= limit) break;
    take(key, head);
  }
  for (; grave.done !== true && found.length < limit; grave = dead.next()) take(...grave.value);
  dead.return?.(undefined);
  return found;
}

function* headsOf(table: Environment['live'], prefix: string, after: string | undefined): Generator<readonly [string, Position], void, undefined> {
  const start = after === undefined || after < prefix ? prefix : after;
  for (const { key, value } of table.getRange({ start, end: `${prefix}${LAST}` })) {
    if (key.startsWith(prefix) && (after === undefined || key > after)) yield [key, value];
  }
}

/** For the next version of a key whose newest is at `previous`: how it hangs on to those before it. */
export function linksAfter(reader: RecordReader, previous: Position, links: Links | undefined): Pick<Links, 'depth' | 'previous' | 'jump'> {
  if (links === undefined) return { depth: 0, previous: 0, jump: 0 };
  const depth = links.depth + 1;
  const target = depth & (depth - 1);
  let position = previous;
  let at: Links | undefined = links;
  while (at !== undefined && at.depth > target) {
    position = at.jump;
    const bytes = readRecord(reader, position);
    at = bytes === undefined ? undefined : linksOf(bytes);
  }
  return { depth, previous, jump: at?.depth === target ? position : 0 };
}

/** Events later than `after` up to `until`, out of the log. */
export function readHistory(environment: Environment, after: Revision, until: Revision): WatchBatch {
  const records: { readonly position: Position; readonly bytes: Buffer }[] = [];
  let revision = until;
  for (const { key: position, value: bytes } of environment.log.getRange({ start: positionOf(after + 1, 0), end: positionOf(until + 1, 0) })) {
    const last = records.at(-1);
    // A transaction is never parted.
    if (records.length >= CHUNK && last !== undefined && revisionOf(last.position) !== revisionOf(position)) {
      revision = revisionOf(last.position);
      break;
    }
    records.push({ position, bytes });
  }
  return { events: records.map(({ position, bytes }) => eventOf(environment, position, bytes)), revision };
}

function eventOf(environment: Environment, position: Position, bytes: Buffer): StorageEvent {
  const key = keyOf(bytes);
  const revision = revisionOf(position);
  const before = linksOf(bytes).previous;
  const lease = leaseOf(bytes);
  const value = isTombstone(bytes) ? undefined : valueOf(bytes);
  const old = readRecord(environment, before);
  const previous = old === undefined ? undefined : storedOf(key, before, old);
  if (value !== undefined) return { type: 'put', key, value, revision, lease, previous };
  if (previous === undefined) throw lostRecord(before);
  return { type: 'delete', key, revision, previous };
}
