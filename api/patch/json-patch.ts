// JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396). The target is never changed: a patched copy is returned.

import { applyPatch, type Operation } from 'rfc6902';
import { ApiError, badRequest } from '../errors/index.ts';
import { isRecord } from '../meta/index.ts';

const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/** ApiError BadRequest when the patch is no patch, Invalid when it does not fit the object. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
  for (const [index, operation] of patch.entries()) {
    if (!isRecord(operation) || !OPERATIONS.has(String(operation['op'])) || typeof operation['path'] !== 'string') {
      throw badRequest(`operation ${index} of the JSON patch needs "op" (one of ${[...OPERATIONS].join(', ')}) and "path"`);
    }
  }
  const copy = structuredClone(target);
  for (const [index, error] of applyPatch(copy, structuredClone(patch) as Operation[]).entries()) {
    if (error !== null) throw new ApiError('Invalid', `operation ${index} of the JSON patch does not apply: ${error.message}`, { cause: error });
  }
  return copy;
}

/** Null removes, objects merge, everything else replaces. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = applyMergePatch(merged[key], value);
  }
  return merged;
}
