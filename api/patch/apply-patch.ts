// What `apply` sends: the strategic merge patch that makes an object what a manifest says, and takes back what the manifest said the last
// time and says no more. What others set stays.

import { isRecord } from '../meta/index.ts';
import { type FieldSchema, structSchema } from '../schema/index.ts';

type Json = Record<string, unknown>;

/** `last`: the manifest as it was applied before. */
export function createApplyPatch(struct: string, last: unknown, wanted: unknown): unknown {
  return patchOf(struct, isRecord(last) ? last : {}, isRecord(wanted) ? wanted : {});
}

function patchOf(struct: string | undefined, last: Json, wanted: Json): Json {
  const patch: Json = {};
  for (const key of Object.keys(last)) if (wanted[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(wanted)) patch[key] = valueOf(fieldOf(struct, key), last[key], value);
  return patch;
}

function valueOf(field: FieldSchema | undefined, last: unknown, value: unknown): unknown {
  if (isRecord(value)) return patchOf(field?.type.is === 'struct' ? field.type.name : undefined, isRecord(last) ? last : {}, value);
  const key = field?.mergeKey ?? '';
  if (!Array.isArray(value) || key === '' || field?.type.is !== 'list') return value;
  const inner = field.type.of.is === 'struct' ? field.type.of.name : undefined;
  const before: readonly unknown[] = Array.isArray(last) ? last : [];
  const find = (items: readonly unknown[], id: unknown): unknown => items.find((item) => isRecord(item) && item[key] === id);
  const items = value.map((item: unknown) => {
    const known = isRecord(item) ? find(before, item[key]) : undefined;
    return isRecord(item) ? patchOf(inner, isRecord(known) ? known : {}, item) : item;
  });
  const gone = before.filter((item) => isRecord(item) && find(value, item[key]) === undefined).map((item) => ({ [key]: (item as Json)[key], $patch: 'delete' }));
  return [...items, ...gone];
}

function fieldOf(struct: string | undefined, name: string): FieldSchema | undefined {
  return struct === undefined ? undefined : structSchema(struct).fields.get(name);
}
