// Judges a decoded object by the schema: unknown fields (with what was probably meant), wrong types, missing required ones.
// Also hands back the object without what it does not know, which is what lenient field validation stores.

import type { FieldError } from '../errors/index.ts';
import { mistypedField, requiredField, unknownField } from '../errors/index.ts';
import { isRecord, parseQuantity } from '../meta/index.ts';
import { closest } from './closest.ts';
import type { FieldType, Scalar } from './schema.ts';
import { structSchema } from './schema.ts';

export interface Checked {
  readonly value: unknown;
  readonly unknown: readonly FieldError[];
  /** Wrong types and missing required fields: never acceptable. */
  readonly wrong: readonly FieldError[];
}

/** `struct` names the schema, e.g. `core.v1.Pod`. Null fields count as absent, as Kubernetes has it. */
export function checkStruct(struct: string, value: unknown): Checked {
  const found: Found = { unknown: [], wrong: [] };
  const pruned = struct === '' ? value : walkStruct(struct, value, '', found);
  return { value: pruned, ...found };
}

interface Found {
  readonly unknown: FieldError[];
  readonly wrong: FieldError[];
}

function walk(type: FieldType, value: unknown, path: string, found: Found): unknown {
  switch (type.is) {
    case 'scalar':
      if (!isScalar(type.scalar, value)) found.wrong.push(mistypedField(path, type.scalar === 'any' ? 'object' : type.scalar, value));
      return value;
    case 'list':
      if (!Array.isArray(value)) return mistyped(path, 'array', value, found);
      return value.map((item: unknown, index) => walk(type.of, item, `${path}[${index}]`, found));
    case 'map':
      if (!isRecord(value)) return mistyped(path, 'object', value, found);
      return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null).map(([key, item]) => [key, walk(type.of, item, `${path}.${key}`, found)]));
    case 'struct':
      return walkStruct(type.name, value, path, found);
  }
}

function walkStruct(name: string, value: unknown, path: string, found: Found): unknown {
  if (!isRecord(value)) return mistyped(path, 'object', value, found);
  const schema = structSchema(name);
  const at = (field: string): string => (path === '' ? field : `${path}.${field}`);
  const pruned: Record<string, unknown> = {};
  for (const [field, item] of Object.entries(value)) {
    const known = schema.fields.get(field);
    if (known === undefined) {
      found.unknown.push(unknownField(at(field), closest(field, [...schema.fields.keys()])));
    } else if (item !== null && item !== undefined) {
      pruned[field] = walk(known.type, item, at(field), found);
    }
  }
  for (const field of schema.required) {
    if (pruned[field] === undefined && !isStatus(path)) found.wrong.push(requiredField(at(field)));
  }
  return pruned;
}

const isStatus = (path: string): boolean => path === 'status' || path.startsWith('status.');

function mistyped(path: string, expected: string, value: unknown, found: Found): unknown {
  found.wrong.push(mistypedField(path, expected, value));
  return value;
}

function isScalar(scalar: Scalar, value: unknown): boolean {
  switch (scalar) {
    case 'string': case 'bytes': return typeof value === 'string';
    case 'time': return typeof value === 'string' && !Number.isNaN(Date.parse(value));
    case 'integer': return Number.isSafeInteger(value);
    case 'number': return typeof value === 'number';
    case 'boolean': return typeof value === 'boolean';
    case 'quantity': return (typeof value === 'string' || typeof value === 'number') && parseQuantity(value) !== undefined;
    case 'int-or-string': return typeof value === 'string' || Number.isSafeInteger(value);
    case 'any': return isRecord(value);
  }
}
