// What there is to know of an LMDB store, in numbers.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { StorageFigure } from '../storage.ts';
import type { Environment } from './environment.ts';

interface PageStatistics {
  readonly pageSize: number;
  readonly entryCount: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface Statistics extends PageStatistics {
  /** Since the environment was opened. */
  readonly pagesWritten: number;
}

export interface Counts {
  readonly commits?: number;
  readonly batches?: number;
  readonly refused?: number;
  readonly swept?: number;
  readonly sweeps?: number;
  /** Milliseconds the newest pieces of a sweep took. */
  readonly pieces?: readonly number[];
  readonly watchers?: number;
  readonly leases?: number;
}

export function figuresOf({ root, log, live, graves, leases, attached, meta }: Environment, path: string, counts: Counts): readonly StorageFigure[] {
  const { pageSize, pagesWritten } = root.getStats() as Statistics;
  const used = [root, log, live, graves, leases, attached, meta].reduce((sum, table) => {
    const { treeBranchPageCount, treeLeafPageCount, overflowPages } = table.getStats() as Statistics;
    return sum + treeBranchPageCount + treeLeafPageCount + overflowPages;
  }, 0) * pageSize;
  const gauge = (name: string, help: string, value: number): StorageFigure => ({ name, help, value, kind: 'gauge' });
  const counter = (name: string, help: string, value: number): StorageFigure => ({ name, help, value, kind: 'counter' });
  const written = pagesWritten * pageSize;
  const { commits = 0 } = counts;
  const pieces = (counts.pieces ?? []).toSorted((a, b) => a - b);
  return [
    gauge('keys', 'Keys that are there now', (live.getStats() as Statistics).entryCount),
    gauge('versions', 'Versions kept, the newest among them', (log.getStats() as Statistics).entryCount),
    gauge('unswept_revisions', 'Revisions given up whose space has yet to come back', (meta.get('compacted') ?? 0) - (meta.get('swept') ?? 0)),
    gauge('leases', 'Leases under way', counts.leases ?? (leases.getStats() as Statistics).entryCount),
    gauge('watchers', 'Watches under way', counts.watchers ?? 0),
    gauge('file_bytes', 'Size of the file', statSync(join(path, 'data.mdb')).size),
    gauge('used_bytes', 'Of it, what is in use; the rest is used again before the file grows', used),
    counter('commits', 'Commits since the start', commits),
    counter('batches', 'Transactions and fsyncs they shared', counts.batches ?? 0),
    counter('refused_batches', 'Transactions the disk refused', counts.refused ?? 0),
    counter('swept_versions', 'Versions whose space came back since the start', counts.swept ?? 0),
    counter('sweeps', 'Transactions that took some of them along', counts.sweeps ?? 0),
    gauge('sweep_p99_ms', 'How long a transaction is held up for that, the 99th percentile of the newest ones', Math.round((pieces[Math.floor(pieces.length * 0.99)] ?? 0) * 100) / 100),
    counter('written_bytes', 'Bytes written to the disk since the start', written),
    gauge('written_bytes_per_commit', 'What one commit costs the disk, on average', commits === 0 ? 0 : Math.round(written / commits)),
  ];
}
