// The table of Kubernetes' field names, types and merge keys, distilled by tools/distill-schema.ts, and how to read it.

import table from './kubernetes.json' with { type: 'json' };

export type Scalar = 'string' | 'integer' | 'number' | 'boolean' | 'bytes' | 'quantity' | 'int-or-string' | 'time' | 'any';

export type FieldType =
  | { readonly is: 'scalar'; readonly scalar: Scalar }
  | { readonly is: 'list'; readonly of: FieldType }
  | { readonly is: 'map'; readonly of: FieldType }
  | { readonly is: 'struct'; readonly name: string };

export interface FieldSchema {
  readonly type: FieldType;
  /** Lists merged item by item in a strategic patch: the key field, or '' for lists of scalars. */
  readonly mergeKey: string | undefined;
  readonly retainKeys: boolean;
}

export interface StructSchema {
  readonly name: string;
  readonly fields: ReadonlyMap<string, FieldSchema>;
  readonly required: readonly string[];
}

type RawField = string | { readonly type: string; readonly merge?: string; readonly retainKeys?: boolean };
const definitions = table.definitions as Readonly<Record<string, { readonly fields: Readonly<Record<string, RawField>>; readonly required?: readonly string[] }>>;
const parsed = new Map<string, StructSchema>();

/** Version of Kubernetes the table was made from. */
export const SCHEMA_VERSION: string = table.version;

/** e.g. `apps.v1.Deployment`, `core.v1.PodSpec`; parsed at the first use. */
export function structSchema(name: string): StructSchema {
  const known = parsed.get(name);
  if (known !== undefined) return known;
  const definition = definitions[name];
  if (definition === undefined) throw new RangeError(`no schema of that name: ${name}`);
  const fields = new Map(Object.entries(definition.fields).map(([field, raw]) => [field, fieldSchema(raw)]));
  const schema = { name, fields, required: definition.required ?? [] };
  parsed.set(name, schema);
  return schema;
}

/** Every struct's name, sorted. */
export function structNames(): readonly string[] {
  return Object.keys(definitions);
}

function fieldSchema(raw: RawField): FieldSchema {
  if (typeof raw === 'string') return { type: fieldType(raw), mergeKey: undefined, retainKeys: false };
  return { type: fieldType(raw.type), mergeKey: raw.merge, retainKeys: raw.retainKeys === true };
}

function fieldType(text: string): FieldType {
  if (text.startsWith('[]')) return { is: 'list', of: fieldType(text.slice(2)) };
  if (text.startsWith('{}')) return { is: 'map', of: fieldType(text.slice(2)) };
  if (text.startsWith('@')) return { is: 'struct', name: text.slice(1) };
  return { is: 'scalar', scalar: text as Scalar };
}
