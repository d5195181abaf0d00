// What commits and leases do to the tables.

import { noLease } from '../errors.ts';
import { expectAt } from '../mutations.ts';
import type { LeaseId, Mutation, Revision, StorageEvent } from '../storage.ts';
import type { Draft } from './draft.ts';
import type { Environment } from './environment.ts';
import { encodeRecord, isTombstone, linksOf, type Position, positionOf, revisionOf, storedOf } from './records.ts';
import { linksAfter, readRecord } from './versions.ts';
import type { Change } from './writer.ts';

/** Revisions are given out here, in the order of the log. */
export interface Sequence {
  /** The newest revision of the transaction under way. */
  revision: Revision;
  /** Events of the transaction under way. */
  events: StorageEvent[];
}

/** StorageError Conflict, NoLease. */
export function commitChange(sequence: Sequence, mutations: readonly Mutation[]): Change<Revision> {
  return {
    prepare(draft) {
      for (const mutation of mutations) {
        const position = draft.live.get(mutation.key);
        expectAt(mutation, position === undefined ? undefined : { modRevision: revisionOf(position) });
        if (mutation.type === 'put' && mutation.lease !== undefined && draft.leases.get(Number(mutation.lease)) === undefined) throw noLease(mutation.lease);
      }
      return () => {
        sequence.revision += 1;
        let place = 0;
        for (const mutation of mutations) {
          if (mutation.type === 'check') continue;
          sequence.events.push(writeVersion(draft, positionOf(sequence.revision, place), mutation));
          place += 1;
        }
        return sequence.revision;
      };
    },
  };
}

function writeVersion(draft: Draft, position: Position, mutation: Exclude<Mutation, { type: 'check' }>): StorageEvent {
  const { key } = mutation;
  const revision = revisionOf(position);
  const alive = draft.live.get(key);
  const before = alive ?? draft.graves.get(key) ?? 0;
  const old = readRecord(draft, before);
  const previous = old === undefined ? undefined : storedOf(key, before, old);
  const links = old === undefined ? undefined : linksOf(old);
  const value = mutation.type === 'put' ? mutation.value : undefined;
  const lease = mutation.type === 'put' ? mutation.lease : undefined;
  const record = encodeRecord({ key, value, lease, createRevision: previous?.createRevision ?? revision, ...linksAfter(draft, before, links) });
  draft.log.put(position, record);
  if (previous?.lease !== undefined && previous.lease !== lease) draft.attached.remove([Number(previous.lease), key]);
  if (lease !== undefined && lease !== previous?.lease) draft.attached.put([Number(lease), key]);
  pointAt(draft, key, position, value === undefined, alive === undefined && before !== 0);
  if (value !== undefined) return { type: 'put', key, value, revision, lease, previous };
  if (previous === undefined) throw new Error(`${key} was there when it was looked at and is not now`);
  return { type: 'delete', key, revision, previous };
}

interface Pointers {
  readonly live: { put(key: string, position: Position): unknown; remove(key: string): unknown };
  readonly graves: { put(key: string, position: Position): unknown; remove(key: string): unknown };
}

function pointAt({ live, graves }: Pointers, key: string, position: Position, dead: boolean, wasDead: boolean): void {
  if (dead) {
    void live.remove(key);
    void graves.put(key, position);
    return;
  }
  if (wasDead) void graves.remove(key);
  void live.put(key, position);
}

/** Takes a record over as it is, into a store that has everything before it. */
export function replay(environment: Environment, key: string, position: Position, bytes: Buffer): void {
  void environment.log.put(position, bytes);
  pointAt(environment, key, position, isTombstone(bytes), environment.graves.get(key) !== undefined);
}

export function grantChange(seconds: number): Change<LeaseId> {
  return {
    prepare: ({ meta, leases }) => () => {
      const id = (meta.get('lease') ?? 0) + 1;
      meta.put('lease', id);
      leases.put(id, seconds);
      return String(id);
    },
  };
}

/** Keys that go in one transaction when a lease ends; one with more goes in several. */
const KEYS_AT_ONCE = 200;

/** Whether it is over; when it is not, some of its keys are gone and it must be asked again. StorageError NoLease. */
export function endLeaseChange(sequence: Sequence, lease: LeaseId): Change<boolean> {
  return {
    // What is attached is read from the store itself.
    begins: true,
    prepare(draft, environment) {
      const id = Number(lease);
      if (draft.leases.get(id) === undefined) throw noLease(lease);
      const keys = [...environment.attached.getKeys({ start: [id, ''], end: [id, '\uffff'], limit: KEYS_AT_ONCE + 1 })].map(([, key]) => key);
      return () => {
        if (keys.length > 0) sequence.revision += 1;
        for (const [place, key] of keys.slice(0, KEYS_AT_ONCE).entries()) {
          sequence.events.push(writeVersion(draft, positionOf(sequence.revision, place), { type: 'delete', key, expect: 0 }));
        }
        if (keys.length > KEYS_AT_ONCE) return false;
        draft.leases.remove(id);
        return true;
      };
    },
  };
}
