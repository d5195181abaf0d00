// What the API knows of a kind: its names, where it lives, its subresources, its columns, its defaults and its rules. One file a kind.

import type { FieldError } from '../errors/index.ts';
import type { KubeObject, ObjectMeta } from '../meta/index.ts';

export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  /** `name` marks the column clients may use as the object's name. */
  readonly format?: 'name';
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: 0 | 1;
  readonly description: string;
}

export interface Cell<T> extends Column {
  /** `now`: milliseconds since the epoch, for ages. */
  readonly value: (object: T, now: number) => string | number;
}

export type Subresource = 'status' | 'scale' | 'binding' | 'log' | 'finalize';

export interface Kind<T extends { readonly metadata: ObjectMeta } = KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
  /** Name of its schema, e.g. `apps.v1.Deployment`. */
  readonly struct: string;
  /** Between the name and the age. */
  readonly columns: readonly Cell<T>[];
  /** Paths field selectors may use, beside metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  /** Fills in what was left out. Never changes its argument. */
  readonly defaults: (object: T) => T;
  /** What the schema cannot say. The object has passed the schema and has its defaults. */
  readonly validate: (object: T) => readonly FieldError[];
  /** What may not change; `before` is the stored object. */
  readonly validateUpdate: (object: T, before: T) => readonly FieldError[];
  readonly object?: T;
}

/** A column before or beside others. */
export function cell<T>(name: string, value: Cell<T>['value'], options: { readonly type?: Column['type']; readonly wide?: boolean; readonly description: string }): Cell<T> {
  return { name, type: options.type ?? 'string', priority: options.wide === true ? 1 : 0, description: options.description, value };
}

/** `5s`, `3m10s`, `4h`, `12d`: how long ago, as kubectl words it. */
export function formatAge(from: string | undefined, now: number): string {
  if (from === undefined) return '<unknown>';
  const seconds = Math.max(0, Math.floor((now - Date.parse(from)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  return days < 730 ? `${days}d` : `${Math.floor(days / 365)}y`;
}

/** `a=1,b=2`, or `<none>`. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const text = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`).join(',');
  return text === '' ? '<none>' : text;
}
