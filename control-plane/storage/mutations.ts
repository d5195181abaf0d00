// What every implementation asks of a commit before it looks at the store, and what each mutation asks of the store.

import { StorageError } from './errors.ts';
import { MAX_KEY_BYTES, MAX_MUTATIONS, type Mutation, type StoredValue } from './storage.ts';

const UNFIT = /[\0\ud800-\udfff]/;

/** StorageError Invalid. */
export function checkMutations(mutations: readonly Mutation[]): void {
  if (mutations.length > MAX_MUTATIONS) throw new StorageError('Invalid', `${mutations.length} mutations in one commit; ${MAX_MUTATIONS} are the most`);
  if (!mutations.some((mutation) => mutation.type !== 'check')) throw new StorageError('Invalid', 'a commit writes something');
  for (const mutation of mutations) checkMutation(mutation);
  if (mutations.length > 1 && new Set(mutations.map((mutation) => mutation.key)).size < mutations.length) {
    throw new StorageError('Invalid', 'a key stands twice in one commit');
  }
}

function checkMutation({ type, key, expect }: Mutation): void {
  if (key === '' || UNFIT.test(key) || Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new StorageError('Invalid', `${JSON.stringify(key.slice(0, 80))} cannot be a key: 1 to ${MAX_KEY_BYTES} bytes of UTF-8 without NUL`);
  }
  if (!Number.isSafeInteger(expect) || expect < 0 || (type === 'delete' && expect === 0)) {
    throw new StorageError('Invalid', `${type} of ${key} expects revision ${expect}: ${type === 'delete' ? 'a deletion names the revision it deletes' : 'it must be 0 or a revision'}`);
  }
}

/** StorageError Conflict when what is there is not what the mutation expects. */
export function expectAt({ key, expect }: Mutation, current: Pick<StoredValue, 'modRevision'> | undefined): void {
  const actual = current?.modRevision ?? 0;
  if (actual !== expect) throw new StorageError('Conflict', `${key} is at revision ${actual}, not ${expect}`, { key });
}

/** StorageError Invalid when a limit is none. */
export function checkLimit(limit: number | undefined): void {
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) throw new StorageError('Invalid', `limit ${limit} is not a whole number of at least 1`);
}
