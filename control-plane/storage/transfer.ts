// A store's keys as YAML, for people and for moving from one implementation to another: one document a key. Values that are JSON are
// told as such, others in base64. What is bound to a lease stays behind: it would be over before anybody reads it.

import { isMap, parseAllDocuments, stringify } from 'yaml';
import { isStorageError, StorageError } from './errors.ts';
import { MAX_MUTATIONS, type Revision, type StorageReader, type StorageWriter, type StoredValue } from './storage.ts';

const FORMAT = 1;
const PAGE = 500;
const BATCH_BYTES = 512 * 1024;

/** All of one revision, document by document. StorageError Compacted when the store forgets that revision meanwhile. */
export async function* exportStore(storage: StorageReader): AsyncGenerator<string> {
  const revision = await storage.revision();
  yield stringify({ copepodStore: FORMAT, revision });
  for (let after: string | undefined, more = true; more;) {
    const page = await storage.list({ prefix: '', after, limit: PAGE, revision });
    for (const item of page.items) if (item.lease === undefined) yield `---\n${stringify(documentOf(item), { lineWidth: 0 })}`;
    after = page.items.at(-1)?.key;
    more = page.more;
  }
}

function documentOf({ key, value }: StoredValue): object {
  const text = Buffer.from(value).toString();
  try {
    const parsed: unknown = JSON.parse(text);
    if (JSON.stringify(parsed) === text) return { key, value: parsed };
  } catch {
    // No JSON: told as bytes.
  }
  return { key, base64: Buffer.from(value).toString('base64') };
}

export interface Imported {
  readonly keys: number;
  readonly revision: Revision;
}

/** Puts every key of an export into a store that has none of them. StorageError Invalid for what cannot be read, Conflict for a key that is there; what came before it stays. */
export async function importStore(storage: StorageReader & StorageWriter, yaml: string): Promise<Imported> {
  const items = parseExport(yaml);
  let revision = await storage.revision();
  for (const batch of batches(items)) {
    try {
      revision = await storage.commit(batch.map(({ key, value }) => ({ type: 'put', key, value, expect: 0 })));
    } catch (error) {
      if (!isStorageError(error, 'Conflict')) throw error;
      throw new StorageError('Conflict', `${error.key} is in the store already: import into an empty one`, { cause: error, key: error.key ?? '' });
    }
  }
  return { keys: items.length, revision };
}

/** As many as one commit takes, and no more bytes than etcd does. */
function* batches<T extends { readonly value: Uint8Array }>(items: readonly T[]): Generator<readonly T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    if (batch.length === MAX_MUTATIONS || (batch.length > 0 && bytes + item.value.length > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += item.value.length;
  }
  if (batch.length > 0) yield batch;
}

function parseExport(yaml: string): readonly { readonly key: string; readonly value: Uint8Array }[] {
  const documents = parseAllDocuments(yaml);
  const [head, ...rest] = 'empty' in documents ? [] : documents;
  if (head === undefined || !isMap(head.contents) || head.get('copepodStore') !== FORMAT) throw new StorageError('Invalid', `this is no export of a store (its first document says copepodStore: ${FORMAT})`);
  return rest.map((document, index) => {
    const [fault] = document.errors;
    if (fault !== undefined) throw new StorageError('Invalid', `document ${index + 2} cannot be read: ${fault.message}`);
    const content = document.toJS() as { readonly key?: unknown; readonly value?: unknown; readonly base64?: unknown } | null;
    const key = content?.key;
    if (typeof key !== 'string') throw new StorageError('Invalid', `document ${index + 2} has no key`);
    if (typeof content?.base64 === 'string') return { key, value: new Uint8Array(Buffer.from(content.base64, 'base64')) };
    if (content?.value === undefined) throw new StorageError('Invalid', `${key} has neither value nor base64`);
    return { key, value: new TextEncoder().encode(JSON.stringify(content.value)) };
  });
}
