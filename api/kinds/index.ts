// Every kind the API serves: a new one is a file and a line in KINDS.

import type { Kind } from './kind.ts';
import { NODE } from './node.ts';
import { POD } from './pod.ts';
import { SERVICE } from './service.ts';
import { CONFIG_MAP, ENDPOINT_SLICE, EVENT, LEASE, NAMESPACE, SECRET } from './simple-kinds.ts';
import { DEPLOYMENT, REPLICA_SET } from './workloads.ts';

export type * from './types.generated.ts';
export type { Cell, Column, Kind, Subresource } from './kind.ts';
export { formatAge } from './kind.ts';
export { isNodeReady, NODE } from './node.ts';
export { isPodActive, isPodAvailable, isPodReady, POD, podCondition, podReason } from './pod.ts';
export { NODE_PORT_RANGE, SERVICE } from './service.ts';
export { CONFIG_MAP, ENDPOINT_SLICE, EVENT, LEASE, NAMESPACE, SECRET } from './simple-kinds.ts';
export { DEPLOYMENT, REPLICA_SET } from './workloads.ts';

/** A kind whose objects are only known to be objects: what generic code works with. */
export type AnyKind = Kind;

// Each kind is only ever handed objects of its own kind, so forgetting which is sound.
export const KINDS: readonly AnyKind[] = [
  NAMESPACE, NODE, POD, SERVICE, CONFIG_MAP, SECRET, EVENT, ENDPOINT_SLICE, LEASE, DEPLOYMENT, REPLICA_SET,
].map((kind) => kind as unknown as AnyKind);

export function findKind(apiVersion: string, kind: string): AnyKind | undefined {
  return KINDS.find((known) => known.apiVersion === apiVersion && known.kind === kind);
}

/** By plural, singular, short name or kind, as people type them, with or without group: `deploy`, `deployments.apps`, `Pod`. */
export function findKindByName(name: string): AnyKind | undefined {
  const [word = '', ...group] = name.toLowerCase().split('.');
  return KINDS.find((kind) => [kind.plural, kind.singular, kind.kind.toLowerCase(), ...kind.shortNames].includes(word)
    && (group.length === 0 || kind.apiVersion.startsWith(`${group.join('.')}/`)));
}
