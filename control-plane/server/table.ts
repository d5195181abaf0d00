// The server-side rendering kubectl asks for: a Table of the kind's columns (meta.k8s.io/v1).

import type { AnyKind } from '@copepod/api/kinds';
import { formatAge } from '@copepod/api/kinds';
import type { KubeObject } from '@copepod/api/meta';

/** Whether the client prefers a Table over the objects themselves. */
export function wantsTable(accept: string): boolean {
  return /as=Table/.test(accept) && /g=meta\.k8s\.io/.test(accept);
}

export interface TableOptions {
  readonly metadata: object;
  /** `None`, `Metadata` or `Object`: what comes beside each row's cells. */
  readonly includeObject: string;
  readonly now: number;
  /** Later events of a watch repeat no headers. */
  readonly headers: boolean;
}

export function tableOf(kind: AnyKind, objects: readonly KubeObject[], options: TableOptions): object {
  const definitions = [
    { name: 'Name', type: 'string', format: 'name', description: 'Name of the object', priority: 0 },
    ...kind.columns.filter((column) => column.priority === 0).map(({ name, type, description, priority }) => ({ name, type, format: '', description, priority })),
    ...(kind.kind === 'Event' ? [] : [{ name: 'Age', type: 'string', format: '', description: 'How long ago it was made', priority: 0 }]),
    ...kind.columns.filter((column) => column.priority === 1).map(({ name, type, description, priority }) => ({ name, type, format: '', description, priority })),
  ];
  return {
    kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: options.metadata,
    columnDefinitions: options.headers ? definitions : null,
    rows: objects.map((object) => ({ cells: cells(kind, object, options.now), ...included(object, options.includeObject) })),
  };
}

function cells(kind: AnyKind, object: KubeObject, now: number): readonly unknown[] {
  const value = (column: AnyKind['columns'][number]): unknown => column.value(object, now);
  return [
    object.metadata.name,
    ...kind.columns.filter((column) => column.priority === 0).map(value),
    ...(kind.kind === 'Event' ? [] : [formatAge(object.metadata.creationTimestamp, now)]),
    ...kind.columns.filter((column) => column.priority === 1).map(value),
  ];
}

function included(object: KubeObject, what: string): object {
  if (what === 'None') return {};
  if (what === 'Object') return { object };
  return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } };
}
