// Whether a store is whole: every record's sum, every link, and the tables against the log.

import { rmSync } from 'node:fs';
import { type Environment, openEnvironment, revisionIn } from './environment.ts';
import { damageOf, isTombstone, keyOf, leaseOf, linksOf, type Position, revisionOf } from './records.ts';

export interface Verification {
  readonly revision: number;
  readonly compacted: number;
  readonly keys: number;
  readonly versions: number;
  /** Empty when the store is whole. */
  readonly problems: readonly string[];
}

/** Problems told at most. */
const MOST = 100;

interface Head {
  readonly position: Position;
  readonly dead: boolean;
  readonly lease: string | undefined;
}

/** Reads a store, which may be in use, or a snapshot's file. StorageError as `openEnvironment`. */
export async function verifyStore(path: string): Promise<Verification> {
  const environment = openEnvironment(path, { readOnly: true });
  try {
    return verify(environment);
  } finally {
    await environment.root.close();
    // LMDB leaves its lock beside a file.
    rmSync(`${path}-lock`, { force: true });
  }
}

/** In one go, so that one state of the store is seen. */
export function verify(environment: Environment): Verification {
  const problems: string[] = [];
  const say = (problem: string): void => void (problems.length < MOST && problems.push(problem));
  const revision = revisionIn(environment);
  const compacted = environment.meta.get('compacted') ?? 0;
  const { heads, versions } = readLog(environment, compacted, say);
  const matched = (table: Environment['live'], dead: boolean): number => {
    let count = 0;
    for (const { key, value: position } of table.getRange()) {
      count += 1;
      const head = heads.get(key);
      if (head === undefined) say(`${key} is ${dead ? 'told to be gone' : 'there'} without a record of it`);
      else if (head.position !== position || head.dead !== dead) say(`${key} points at revision ${revisionOf(position)}, and its newest record is ${head.dead ? 'its deletion ' : ''}at ${revisionOf(head.position)}`);
      else heads.delete(key);
      if (!dead && head?.lease !== undefined && environment.attached.get([Number(head.lease), key]) === undefined) say(`${key} is not among the keys of its lease ${head.lease}`);
    }
    return count;
  };
  const keys = matched(environment.live, false);
  matched(environment.graves, true);
  for (const key of heads.keys()) say(`${key} has records, and no table points at them`);
  for (const [lease, key] of environment.attached.getKeys()) {
    if (environment.leases.get(lease) === undefined) say(`${key} goes with lease ${lease}, which is not there`);
  }
  return { revision, compacted, keys, versions, problems };
}

function readLog(environment: Environment, compacted: number, say: (problem: string) => void): { readonly heads: Map<string, Head>; readonly versions: number } {
  const heads = new Map<string, Head>();
  let versions = 0;
  let last = compacted;
  for (const { key: position, value: bytes } of environment.log.getRange()) {
    versions += 1;
    const revision = revisionOf(position);
    const damage = damageOf(bytes);
    if (damage !== undefined) {
      say(`the record of revision ${revision} is damaged: ${damage}`);
      continue;
    }
    if (revision > last + 1) say(`revisions ${last + 1} to ${revision - 1} are missing from the log`);
    last = Math.max(last, revision);
    const key = keyOf(bytes);
    const { previous } = linksOf(bytes);
    const before = heads.get(key);
    // Below what was compacted, the version before may be gone.
    if ((before?.position ?? 0) !== previous && (before !== undefined || revisionOf(previous) > compacted)) say(`revision ${revision} of ${key} follows revision ${revisionOf(previous)}, and the log has ${revisionOf(before?.position ?? 0)}`);
    heads.set(key, { position, dead: isTombstone(bytes), lease: leaseOf(bytes) });
  }
  return { heads, versions };
}
