// Where an object stands in the store: `/registry/<group>/<plural>/<namespace>/<name>`, the core group being `core`.

import { type AnyKind } from '@copepod/api/kinds';
import { splitApiVersion } from '@copepod/api/meta';

export interface Ref {
  readonly namespace: string | undefined;
  readonly name: string;
}

/** Prefix of a collection, or of one namespace of it. */
export function collectionPrefix(kind: AnyKind, namespace?: string): string {
  const { group } = splitApiVersion(kind.apiVersion);
  const root = `/registry/${group === '' ? 'core' : group}/${kind.plural}/`;
  return kind.namespaced && namespace !== undefined && namespace !== '' ? `${root}${namespace}/` : root;
}

export function objectStorageKey(kind: AnyKind, ref: Ref): string {
  return `${collectionPrefix(kind, ref.namespace)}${ref.name}`;
}

/** `pods`, `deployments.apps`: how messages name a resource. */
export function qualifiedResource(kind: AnyKind): string {
  const { group } = splitApiVersion(kind.apiVersion);
  return group === '' ? kind.plural : `${kind.plural}.${group}`;
}

/** `Pod`, `Deployment.apps`. */
export function qualifiedKind(kind: AnyKind): string {
  const { group } = splitApiVersion(kind.apiVersion);
  return group === '' ? kind.kind : `${kind.kind}.${group}`;
}
