// What a path is made of. A registered kind of the API satisfies ResourceType as it is.

import type { ObjectMeta } from '@copepod/api/meta';

/** The least every object has. */
export interface ApiObject {
  readonly metadata: ObjectMeta;
}

/** `T` is told by the one who names the type; nothing of it is there at run time. */
export interface ResourceType<T extends ApiObject = ApiObject> {
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  /** Lower-case plural of the path. */
  readonly plural: string;
  readonly namespaced: boolean;
  readonly object?: T;
}

export interface ObjectRef {
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

export function refOf(object: ApiObject): ObjectRef {
  const { namespace, name = '' } = object.metadata;
  return { namespace, name };
}

/** Path of the collection; without a namespace it is the one across all namespaces. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const root = type.apiVersion.includes('/') ? `/apis/${type.apiVersion}` : `/api/${type.apiVersion}`;
  const within = type.namespaced && namespace !== undefined && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${within}/${type.plural}`;
}

export function objectPath(type: ResourceType, ref: ObjectRef, subresource?: string): string {
  if (ref.name === '') throw new TypeError(`a ${type.kind} must be named`);
  if (type.namespaced && (ref.namespace === undefined || ref.namespace === '')) {
    throw new TypeError(`${type.kind} "${ref.name}" must be named with its namespace`);
  }
  const path = `${collectionPath(type, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}
