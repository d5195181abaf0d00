// What a transaction is going to write, while it is being made up: reads see it over what is in the store. It is handed to LMDB's
// writing thread in one piece, so nobody waits for that thread, and what was not handed over has never been.

import type { Database } from 'lmdb';
import type { Environment } from './environment.ts';
import type { Position } from './records.ts';

export interface Draft {
  readonly log: DraftTable<Buffer, Position>;
  readonly live: DraftTable<Position, string>;
  readonly graves: DraftTable<Position, string>;
  readonly leases: DraftTable<number, number>;
  readonly meta: DraftTable<number, string>;
  readonly attached: DraftPairs;
}

export class DraftTable<V, K extends string | number> {
  readonly #table: Database<V, K>;
  readonly #append: boolean;
  /** Undefined: removed. */
  readonly #changes = new Map<K, V | undefined>();

  /** `append`: what is put sorts after everything that is there, so that pages are filled to their end. */
  constructor(table: Database<V, K>, append = false) {
    this.#table = table;
    this.#append = append;
  }

  get size(): number {
    return this.#changes.size;
  }

  get(key: K): V | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#table.get(key);
  }

  /** Good until the next read. */
  getBinaryFast(key: K): V | Buffer | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#table.getBinaryFast(key);
  }

  put(key: K, value: V): void {
    this.#changes.set(key, value);
  }

  remove(key: K): void {
    this.#changes.set(key, undefined);
  }

  write(): void {
    for (const [key, value] of this.#changes) {
      if (value === undefined) this.#table.remove(key).catch(toldByTheBatch);
      else (this.#append ? this.#table.put(key, value, APPEND) : this.#table.put(key, value)).catch(toldByTheBatch);
    }
  }
}

/** Pairs that are put and removed and not looked at. */
export class DraftPairs {
  readonly #table: Environment['attached'];
  readonly #changes: { readonly pair: [number, string]; readonly there: boolean }[] = [];

  constructor(table: Environment['attached']) {
    this.#table = table;
  }

  get size(): number {
    return this.#changes.length;
  }

  put(pair: [number, string]): void {
    this.#changes.push({ pair, there: true });
  }

  remove(pair: [number, string]): void {
    this.#changes.push({ pair, there: false });
  }

  write(): void {
    for (const { pair, there } of this.#changes) (there ? this.#table.put(pair, 1) : this.#table.remove(pair)).catch(toldByTheBatch);
  }
}

/** Options the library takes where its types know a version only. */
const APPEND = { append: true } as unknown as number;

/** Each write has a promise of its own; when the batch fails all of them are rejected, and it is enough to hear it once. */
function toldByTheBatch(): void {}

export function draftOf({ log, live, graves, leases, meta, attached }: Environment): Draft {
  return {
    log: new DraftTable(log, true), live: new DraftTable(live), graves: new DraftTable(graves), leases: new DraftTable(leases), meta: new DraftTable(meta), attached: new DraftPairs(attached),
  };
}

/** Durable when it resolves; nothing of it is there when it rejects. */
export async function writeDraft({ root }: Environment, draft: Draft): Promise<void> {
  const tables = Object.values(draft) as readonly { readonly size: number; write(): void }[];
  if (tables.every((table) => table.size === 0)) return;
  await root.batch(() => {
    for (const table of tables) table.write();
  });
  root.resetReadTxn();
}
