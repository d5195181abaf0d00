// Strategic merge patch: a merge patch in which lists of objects merge by the key their schema names, with the directives
// `$patch: replace|delete|merge`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x` and `$retainKeys`. The target is never changed.
// Described in Kubernetes' design notes (contributors/devel/sig-api-machinery/strategic-merge-patch.md).

import { badRequest } from '../errors/index.ts';
import { isRecord } from '../meta/index.ts';
import type { FieldSchema } from '../schema/index.ts';
import { structSchema } from '../schema/index.ts';

type Json = Record<string, unknown>;

/** `struct` names the target's schema. ApiError BadRequest when the patch cannot be read. */
export function applyStrategicMergePatch(struct: string, target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) throw badRequest('a strategic merge patch is an object');
  return mergeStruct(struct, isRecord(target) ? target : {}, patch, '');
}

function mergeStruct(struct: string | undefined, target: Json, patch: Json, path: string): Json {
  const directive = patch['$patch'];
  if (directive === 'replace') return without(patch, '$patch');
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') throw badRequest(`${path}.$patch is ${JSON.stringify(directive)}: it may be replace, delete or merge`);
  const merged: Json = { ...target };
  const retain = patch['$retainKeys'];
  if (Array.isArray(retain)) for (const key of Object.keys(merged)) if (!retain.includes(key)) delete merged[key];
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const field = key.slice(key.indexOf('/') + 1);
      const current = merged[field];
      if (Array.isArray(current) && Array.isArray(value)) merged[field] = current.filter((item) => !value.includes(item));
    } else if (!key.startsWith('$')) {
      mergeField(merged, key, value, fieldOf(struct, key), `${path}.${key}`);
    }
  }
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith('$setElementOrder/') || !Array.isArray(order)) continue;
    const field = key.slice(key.indexOf('/') + 1);
    const list = merged[field];
    if (Array.isArray(list)) merged[field] = inOrder(list, order, fieldOf(struct, field)?.mergeKey ?? '');
  }
  return merged;
}

function mergeField(merged: Json, key: string, value: unknown, schema: FieldSchema | undefined, path: string): void {
  if (value === null) {
    delete merged[key];
    return;
  }
  const current = merged[key];
  if (isRecord(value)) {
    const struct = schema?.type.is === 'struct' ? schema.type.name : schema?.type.is === 'map' && schema.type.of.is === 'struct' ? schema.type.of.name : undefined;
    if (value['$patch'] === 'delete') delete merged[key];
    else merged[key] = mergeStruct(schema?.type.is === 'map' ? undefined : struct, isRecord(current) ? current : {}, value, path);
  } else if (Array.isArray(value) && schema?.mergeKey !== undefined) {
    merged[key] = mergeList(schema, Array.isArray(current) ? current : [], value, path);
  } else {
    merged[key] = value;
  }
}

function mergeList(schema: FieldSchema, current: readonly unknown[], patch: readonly unknown[], path: string): readonly unknown[] {
  const key = schema.mergeKey ?? '';
  if (key === '') return [...new Set([...current, ...patch])];
  const struct = schema.type.is === 'list' && schema.type.of.is === 'struct' ? schema.type.of.name : undefined;
  if (patch.some((item) => isRecord(item) && item['$patch'] === 'replace' && Object.keys(item).length === 1)) {
    return patch.filter((item) => !(isRecord(item) && item['$patch'] === 'replace'));
  }
  const merged = [...current];
  for (const item of patch) {
    if (!isRecord(item)) throw badRequest(`${path.slice(1)}: items of this list are objects`);
    const id = item[key];
    if (id === undefined) throw badRequest(`${path.slice(1)}: each item needs its merge key "${key}"`);
    const index = merged.findIndex((known) => isRecord(known) && known[key] === id);
    if (item['$patch'] === 'delete') {
      if (index !== -1) merged.splice(index, 1);
    } else if (index === -1) {
      merged.push(mergeStruct(struct, {}, item, path));
    } else {
      merged[index] = mergeStruct(struct, merged[index] as Json, item, path);
    }
  }
  return merged;
}

/** Items the order names come in that order; the others keep their place before the item they stood before. */
function inOrder(list: readonly unknown[], order: readonly unknown[], key: string): readonly unknown[] {
  const idOf = (item: unknown): unknown => (key !== '' && isRecord(item) ? item[key] : item);
  const ranks = new Map(order.map((item, index) => [idOf(item), index]));
  const ordered = list.filter((item) => ranks.has(idOf(item))).sort((a, b) => (ranks.get(idOf(a)) ?? 0) - (ranks.get(idOf(b)) ?? 0));
  let next = 0;
  return list.map((item) => (ranks.has(idOf(item)) ? ordered[next++] : item));
}

function fieldOf(struct: string | undefined, field: string): FieldSchema | undefined {
  return struct === undefined ? undefined : structSchema(struct).fields.get(field);
}

function without(object: Json, key: string): Json {
  const { [key]: _, ...rest } = object;
  return rest;
}
