// Compaction. What is given up is decided at once (`compacted`); the space comes back a little with each transaction, so that no writer
// waits for much of it, and a restart goes on where it was (`swept`).
//
// Every record up to `compacted` is looked at once, in order. It supersedes the version before it, which goes; a deletion goes itself,
// because nothing from `compacted` on can ask what was there before.

import { notYetAt } from '../errors.ts';
import type { Revision } from '../storage.ts';
import type { Draft } from './draft.ts';
import { type Environment, revisionIn } from './environment.ts';
import { isTombstone, keyOf, linksOf, type Position, positionOf, revisionOf } from './records.ts';
import type { Change } from './writer.ts';

export interface SweepOptions {
  /** Milliseconds from an arbitrary origin. */
  readonly monotonic: () => number;
  /** Records removed in one transaction at most: each may be a page to write. */
  readonly most?: number;
  /** Milliseconds in one transaction at most. */
  readonly longest?: number;
}

/** Records looked at in one transaction, at most. */
const LOOKED_AT = 200;

/** Resolves to what is kept from then on. StorageError Future. */
export function compactChange(revision: Revision): Change<Revision> {
  return {
    // The newest revision is read from the store itself.
    begins: true,
    prepare({ meta }, environment) {
      const current = revisionIn(environment);
      if (revision > current) throw notYetAt(revision, current);
      const compacted = meta.get('compacted') ?? 0;
      return () => {
        if (revision > compacted) meta.put('compacted', revision);
        return Math.max(revision, compacted);
      };
    },
  };
}

/** Whether there is space to bring back. */
export function sweepIsDue({ meta }: Pick<Environment, 'meta'> | Draft): boolean {
  return (meta.get('swept') ?? 0) < (meta.get('compacted') ?? 0);
}

/** Brings a little space back with a transaction that is being made up; the number of records removed. */
export function sweep(draft: Draft, environment: Environment, { monotonic, most = 100, longest = 1 }: SweepOptions): number {
  const { log, graves, meta } = draft;
  const compacted = meta.get('compacted') ?? 0;
  const began = monotonic();
  let swept = meta.get('swept') ?? 0;
  let removed = 0;
  const due: { readonly position: Position; readonly bytes: Buffer }[] = [];
  for (const { key: position, value: bytes } of environment.log.getRange({ start: positionOf(swept + 1, 0), end: positionOf(compacted + 1, 0), limit: LOOKED_AT })) due.push({ position, bytes });
  const remove = (position: Position): void => {
    log.remove(position);
    removed += 1;
  };
  let done = due.length < LOOKED_AT;
  for (const [index, { position, bytes }] of due.entries()) {
    const { previous } = linksOf(bytes);
    if (previous !== 0) remove(previous);
    if (isTombstone(bytes)) {
      const key = keyOf(bytes);
      if (graves.get(key) === position) graves.remove(key);
      remove(position);
    }
    const next = due[index + 1];
    // Between two transactions of the log only: `swept` counts whole ones.
    if (next !== undefined && revisionOf(next.position) === revisionOf(position)) continue;
    if (next === undefined && !done) break;
    swept = revisionOf(position);
    if (next !== undefined && (removed >= most || monotonic() - began > longest)) {
      done = false;
      break;
    }
  }
  meta.put('swept', done ? compacted : swept);
  return removed;
}
