// Public names of the schema.
export type { FieldSchema, FieldType, Scalar, StructSchema } from './schema.ts';
export { SCHEMA_VERSION, structNames, structSchema } from './schema.ts';
export type { Checked } from './check.ts';
export { checkStruct } from './check.ts';
export { closest } from './closest.ts';
