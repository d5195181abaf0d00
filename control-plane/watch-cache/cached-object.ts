// One object at one revision: decoded once, encoded once, shared by every reader. Frozen, because it is shared.

import type { KubeObject } from '@copepod/api/meta';

export interface CachedObject {
  /** The storage key. */
  readonly key: string;
  readonly revision: number;
  /** Carries its resourceVersion; deeply frozen. */
  readonly object: KubeObject;
  /** The JSON of `object`, made at the first call. */
  json(): string;
}

/**
 * What is stored: the object without its resourceVersion, which the store gives. As JSON by way of Buffer, which of what was measured
 * (docs/store.md) takes the least time both ways.
 */
export function encodeForStorage(object: KubeObject): Uint8Array {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return Buffer.from(JSON.stringify({ ...object, metadata }));
}

export function decodeStored(key: string, value: Uint8Array, revision: number): CachedObject {
  const parsed = JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.length).toString()) as KubeObject;
  return cachedObject(key, { ...parsed, metadata: { ...parsed.metadata, resourceVersion: String(revision) } }, revision);
}

/** The same object as another revision shows it: a deletion is told at its own. */
export function atRevision(entry: CachedObject, revision: number): CachedObject {
  return cachedObject(entry.key, { ...entry.object, metadata: { ...entry.object.metadata, resourceVersion: String(revision) } }, revision);
}

export function cachedObject(key: string, object: KubeObject, revision: number): CachedObject {
  let json: string | undefined;
  return Object.freeze({ key, revision, object: deepFreeze(object), json: () => (json ??= JSON.stringify(object)) });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
