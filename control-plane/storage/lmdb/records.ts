// A record of the log: one version of one key, at the position its commit gave it. Written once, never changed, and carrying the sum
// of its own bytes.
//
//   0 flags · 1 sum (uint32) · 5 depth (uint32) · 9 createRevision · 17 previous · 25 jump · 33 lease (float64 each) · 41 length of the
//   key (uint16) · 43 the key · the value
//
// Versions of a key hang together: `previous` is the position of the one before, and a record at depth d jumps to the one at depth
// d & (d − 1), so that any older one is found in few steps: from 7 by 6 and 4, from 8 at once, to 0.

import { crc32 } from 'node:zlib';
import { StorageError } from '../errors.ts';
import type { LeaseId, Revision, StoredValue } from '../storage.ts';

/** Where a record stands in the log: revision × 256 + its place in the commit. */
export type Position = number;

const PLACES = 256;
const TOMBSTONE = 1;
const SUMMED = 5;
const HEADER = 43;

export const positionOf = (revision: Revision, place: number): Position => revision * PLACES + place;
export const revisionOf = (position: Position): Revision => Math.floor(position / PLACES);

export interface Links {
  readonly depth: number;
  readonly createRevision: Revision;
  /** 0: none. */
  readonly previous: Position;
  /** 0: none, or it was compacted. */
  readonly jump: Position;
}

export interface VersionRecord extends Links {
  readonly key: string;
  /** Undefined: the key was deleted. */
  readonly value: Uint8Array | undefined;
  readonly lease: LeaseId | undefined;
}

export function encodeRecord({ key, value, lease, depth, createRevision, previous, jump }: VersionRecord): Buffer {
  const length = Buffer.byteLength(key);
  const bytes = Buffer.allocUnsafe(HEADER + length + (value?.length ?? 0));
  bytes[0] = value === undefined ? TOMBSTONE : 0;
  bytes.writeUInt32BE(depth, 5);
  bytes.writeDoubleBE(createRevision, 9);
  bytes.writeDoubleBE(previous, 17);
  bytes.writeDoubleBE(jump, 25);
  bytes.writeDoubleBE(lease === undefined ? 0 : Number(lease), 33);
  bytes.writeUInt16BE(length, 41);
  bytes.write(key, HEADER, 'utf8');
  if (value !== undefined) bytes.set(value, HEADER + length);
  bytes.writeUInt32BE(sumOf(bytes), 1);
  return bytes;
}

/** What of it searches need; `bytes` may be LMDB's own buffer. */
export function linksOf(bytes: Buffer): Links {
  return { depth: bytes.readUInt32BE(5), createRevision: bytes.readDoubleBE(9), previous: bytes.readDoubleBE(17), jump: bytes.readDoubleBE(25) };
}

export const isTombstone = (bytes: Buffer): boolean => ((bytes[0] ?? 0) & TOMBSTONE) !== 0;

export function keyOf(bytes: Buffer): string {
  return bytes.toString('utf8', HEADER, HEADER + bytes.readUInt16BE(41));
}

export function leaseOf(bytes: Buffer): LeaseId | undefined {
  const lease = bytes.readDoubleBE(33);
  return lease === 0 ? undefined : String(lease);
}

/** The value is copied: LMDB's own buffer is only good until the next read. */
export function valueOf(bytes: Buffer): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, HEADER + bytes.readUInt16BE(41), bytes.length);
}

/** Undefined of a tombstone. */
export function storedOf(key: string, position: Position, bytes: Buffer): StoredValue | undefined {
  if (isTombstone(bytes)) return undefined;
  return { key, value: valueOf(bytes), createRevision: bytes.readDoubleBE(9), modRevision: revisionOf(position), lease: leaseOf(bytes) };
}

/** Why the bytes are not what was written, or undefined. */
export function damageOf(bytes: Buffer): string | undefined {
  if (bytes.length < HEADER || HEADER + bytes.readUInt16BE(41) > bytes.length) return 'it is cut short';
  return sumOf(bytes) === bytes.readUInt32BE(1) ? undefined : 'its bytes do not match their sum';
}

function sumOf(bytes: Buffer): number {
  return crc32(bytes.subarray(SUMMED, bytes.length), bytes[0]);
}

export function lostRecord(position: Position): StorageError {
  return new StorageError('Corrupt', `revision ${revisionOf(position)} is missing from the log: run copepod store verify, and restore a snapshot`);
}
