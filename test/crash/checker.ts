// What a store must show after its process was killed, given what that process said: everything acknowledged, at its revision; of what
// was under way, all or nothing; nothing else; no revision missing.

import assert from 'node:assert/strict';
import { openLmdbStorage, type StorageEvent, verifyStore } from '@copepod/control-plane/storage';

interface Operation {
  readonly writes: readonly string[];
  /** Undefined: nobody was told. */
  readonly revision: number | undefined;
  readonly refused: boolean;
}

export interface Model {
  /** Key → its value and revision, as of `revision`. */
  readonly values: Map<string, { readonly value: string; readonly revision: number }>;
  revision: number;
  /** Over all rounds. */
  acknowledged: number;
  /** Writes nobody was told of that were there all the same. */
  surprising: number;
}

export function emptyModel(): Model {
  return { values: new Map(), revision: 0, acknowledged: 0, surprising: 0 };
}

export function operationsOf(lines: readonly string[]): ReadonlyMap<string, Operation> {
  const operations = new Map<string, Operation>();
  for (const line of lines) {
    const [mark, id = '', ...rest] = line.split(' ');
    if (mark === '?') operations.set(id, { writes: rest.toSorted(), revision: undefined, refused: false });
    const known = operations.get(id);
    if (known === undefined) continue;
    if (mark === '!') operations.set(id, { ...known, revision: Number(rest[0]) });
    if (mark === 'x') operations.set(id, { ...known, refused: true });
  }
  return operations;
}

const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const idOf = (value: string): string => value.replace(/\.+$/, '');

/** Throws AssertionError at the first thing that is wrong; brings the model up to the store otherwise. */
export async function checkStore(path: string, model: Model, lines: readonly string[]): Promise<void> {
  const operations = operationsOf(lines);
  const storage = openLmdbStorage({ path });
  try {
    const newest = await storage.revision();
    const acknowledged = [...operations].filter(([, { revision }]) => revision !== undefined);
    for (const [id, { revision }] of acknowledged) assert.ok((revision ?? 0) <= newest, `${id} was acknowledged at revision ${revision}, and the store is at ${newest}`);
    const transactions = new Map<number, StorageEvent[]>();
    if (newest > model.revision) {
      const stop = new AbortController();
      for await (const batch of storage.watch({ prefix: '', after: model.revision, signal: stop.signal, progress: true })) {
        for (const event of batch.events) transactions.set(event.revision, [...transactions.get(event.revision) ?? [], event]);
        if (batch.revision >= newest) break;
      }
    }
    const known = new Map(acknowledged.map(([id, { revision }]) => [revision, id]));
    const pending = new Map([...operations].filter(([, { revision, refused }]) => revision === undefined && !refused));
    for (let revision = model.revision + 1; revision <= newest; revision += 1) {
      const events = transactions.get(revision);
      assert.ok(events !== undefined, `revision ${revision} is missing`);
      checkTransaction(model, revision, events, known.get(revision), operations, pending);
    }
    model.revision = newest;
    model.acknowledged += acknowledged.length;
    const listed = (await storage.list({ prefix: '' })).items.map((item) => [item.key, text(item.value), item.modRevision]);
    assert.deepEqual(listed, [...model.values].map(([key, { value, revision }]) => [key, value, revision]).toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
  } finally {
    await storage.close();
  }
  assert.deepEqual((await verifyStore(path)).problems, []);
}

function checkTransaction(model: Model, revision: number, events: readonly StorageEvent[], id: string | undefined, operations: ReadonlyMap<string, Operation>, pending: Map<string, Operation>): void {
  const writes = events.map(({ type, key }) => `${type}:${key}`).toSorted();
  let owner = id;
  if (owner === undefined) {
    // Nobody was told: it must be one that was under way, whole.
    owner = [...pending].find(([candidate, operation]) => String(operation.writes) === String(writes) && events.every((event) => event.type === 'delete' || idOf(text(event.value)) === candidate))?.[0];
    assert.ok(owner !== undefined, `revision ${revision} (${writes.join(' ')}) was asked by nobody, or is in part only`);
    pending.delete(owner);
    model.surprising += 1;
  }
  assert.deepEqual(writes, operations.get(owner)?.writes, `revision ${revision}, ${owner}`);
  for (const event of events) {
    const before = model.values.get(event.key);
    assert.deepEqual(event.previous === undefined ? undefined : [text(event.previous.value), event.previous.modRevision], before === undefined ? undefined : [before.value, before.revision], `what ${event.key} was before revision ${revision}`);
    if (event.type === 'delete') {
      model.values.delete(event.key);
      continue;
    }
    assert.equal(idOf(text(event.value)), owner);
    model.values.set(event.key, { value: text(event.value), revision });
  }
}
