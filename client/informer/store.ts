// What an informer knows: objects by key, and by indexes kept as objects come and go, so that no reconciler ever scans them all.

import { objectKey } from '@copepod/api/meta';
import type { ApiObject } from '../rest/index.ts';

/** Index name → the values an object stands under, e.g. `{ node: (pod) => [pod.spec?.nodeName ?? ''] }`. */
export type Indexers<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

export interface Store<T> {
  /** `namespace/name`, or `name`. The object is shared: never changed by anyone. */
  get(key: string): T | undefined;
  list(): readonly T[];
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
}

export class IndexedStore<T extends ApiObject> implements Store<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexers: Indexers<T>;
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>();

  constructor(indexers: Indexers<T>) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map());
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index);
    if (found === undefined) throw new RangeError(`no such index: ${index}`);
    return [...(found.get(value)?.values() ?? [])];
  }

  get size(): number {
    return this.#objects.size;
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  /** The object that was there before. */
  set(object: T): T | undefined {
    const key = objectKey(object);
    const previous = this.delete(key);
    this.#objects.set(key, object);
    for (const [name, valuesOf] of Object.entries(this.#indexers)) {
      const index = this.#indexes.get(name);
      for (const value of valuesOf(object)) {
        const entries = index?.get(value) ?? new Map<string, T>();
        entries.set(key, object);
        index?.set(value, entries);
      }
    }
    return previous;
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    this.#objects.delete(key);
    for (const [name, valuesOf] of Object.entries(this.#indexers)) {
      const index = this.#indexes.get(name);
      for (const value of valuesOf(previous)) {
        const entries = index?.get(value);
        entries?.delete(key);
        if (entries?.size === 0) index?.delete(value);
      }
    }
    return previous;
  }
}
