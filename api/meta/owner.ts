// Owner references: who made an object and whose end is its end.

import type { KubeObject, ObjectMeta, OwnerReference } from './object.ts';

/** The one owner that manages this object; at most one reference carries `controller: true`. */
export function getControllerOf(object: { readonly metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}

/** By uid: an owner deleted and made again under its old name is another owner. */
export function isControlledBy(object: { readonly metadata: ObjectMeta }, owner: { readonly metadata: ObjectMeta }): boolean {
  const uid = getControllerOf(object)?.uid;
  return uid !== undefined && uid === owner.metadata.uid;
}

/** The reference an object gets when `owner`, read from the API, manages it. */
export function controllerRef(owner: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name ?? '',
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}
