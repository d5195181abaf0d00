// Errors about one field of an object, worded as Kubernetes words them so that kubectl users read what they know.
// The message never repeats the field: `describeFieldErrors` and clients put it in front.

import type { StatusCause } from './status.ts';

export const FIELD_ERROR_REASONS = [
  'FieldValueRequired', 'FieldValueInvalid', 'FieldValueNotSupported', 'FieldValueDuplicate', 'FieldValueForbidden',
  'FieldValueTooLong', 'FieldValueTooMany', 'FieldValueTypeInvalid', 'FieldUnknown',
] as const;

export type FieldErrorReason = (typeof FIELD_ERROR_REASONS)[number];

export interface FieldError extends StatusCause {
  readonly reason: FieldErrorReason;
  readonly field: string;
  readonly message: string;
}

export function requiredField(field: string, detail?: string): FieldError {
  return { reason: 'FieldValueRequired', field, message: withDetail('Required value', detail) };
}

export function invalidField(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${show(value)}: ${detail}` };
}

export function unsupportedField(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((item) => JSON.stringify(item)).join(', ');
  return { reason: 'FieldValueNotSupported', field, message: `Unsupported value: ${show(value)}: supported values: ${list}` };
}

export function duplicateField(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${show(value)}` };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` };
}

export function tooLongField(field: string, maximum: number): FieldError {
  return { reason: 'FieldValueTooLong', field, message: `Too long: may not be more than ${maximum} bytes` };
}

export function tooManyField(field: string, actual: number, detail: string): FieldError {
  return { reason: 'FieldValueTooMany', field, message: `Too many: ${actual}: ${detail}` };
}

export function mistypedField(field: string, expected: string, value: unknown): FieldError {
  return { reason: 'FieldValueTypeInvalid', field, message: `Invalid value: ${show(value)}: must be of type ${expected}` };
}

export function unknownField(field: string, suggestion?: string): FieldError {
  const hint = suggestion === undefined ? '' : `, did you mean ${JSON.stringify(suggestion)}?`;
  return { reason: 'FieldUnknown', field, message: `unknown field ${JSON.stringify(field)}${hint}` };
}

/** `[a: Required value, b: …]`, or without brackets when there is only one. */
export function describeFieldErrors(errors: readonly StatusCause[]): string {
  const parts = errors.map((error) => {
    const message = error.message ?? error.reason ?? 'Invalid value';
    return error.field === undefined || error.field === '' || error.reason === 'FieldUnknown' ? message : `${error.field}: ${message}`;
  });
  return parts.length === 1 ? (parts[0] ?? '') : `[${parts.join(', ')}]`;
}

function withDetail(text: string, detail: string | undefined): string {
  return detail === undefined || detail === '' ? text : `${text}: ${detail}`;
}

/** Bounded: a hostile value must not come back whole in an error. */
function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'array' : 'object';
  const text = JSON.stringify(value) ?? 'null';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
