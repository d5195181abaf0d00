// Who may do what. Administrators everything; a node what its agent needs: to read what it must, to write what is its own.

import { forbidden, unauthorized } from '@copepod/api/errors';
import type { Pod } from '@copepod/api/kinds';
import type { KubeObject } from '@copepod/api/meta';
import type { Target, User } from './request.ts';

export const ADMIN_GROUP = 'system:masters';
export const NODE_GROUP = 'system:nodes';
const NODE_PREFIX = 'system:node:';
const LEASE_NAMESPACE = 'kube-node-lease';

/** Reads the object a request is about, when there is one. */
export type Lookup = (plural: string, namespace: string | undefined, name: string) => KubeObject | undefined;

/** Throws Unauthorized or Forbidden. `body` is what a create would store. */
export function authorize(user: User, target: Target, body: unknown, lookup: Lookup): void {
  if (user.groups.includes(ADMIN_GROUP)) return;
  if (user.groups.includes('system:unauthenticated')) throw unauthorized();
  if (user.groups.includes(NODE_GROUP) && user.name.startsWith(NODE_PREFIX) && nodeMay(user.name.slice(NODE_PREFIX.length), target, body, lookup)) return;
  const what = target.subresource === undefined ? target.plural : `${target.plural}/${target.subresource}`;
  const where = target.namespace === undefined ? 'at the cluster scope' : `in the namespace "${target.namespace}"`;
  throw forbidden(target.plural, target.name ?? '', `User "${user.name}" cannot ${target.verb} resource "${what}" ${where}`);
}

const READABLE = new Set(['nodes', 'pods', 'services', 'endpointslices', 'configmaps', 'secrets', 'namespaces']);

function nodeMay(node: string, target: Target, body: unknown, lookup: Lookup): boolean {
  const reads = target.verb === 'get' || target.verb === 'list' || target.verb === 'watch';
  const nameOf = (value: unknown): string | undefined => (value as Partial<KubeObject> | undefined)?.metadata?.name;
  switch (target.plural) {
    case 'nodes':
      if (reads) return true;
      return target.verb === 'create' ? nameOf(body) === node : target.name === node && (target.verb === 'update' || target.verb === 'patch');
    case 'leases':
      if (target.namespace !== LEASE_NAMESPACE) return false;
      return target.verb === 'create' ? nameOf(body) === node : target.name === node && target.verb !== 'deletecollection';
    case 'events':
      return target.verb === 'create' || target.verb === 'patch' || target.verb === 'update';
    case 'pods': {
      if (reads && target.subresource === undefined) return true;
      if (target.name === undefined) return false;
      const pod = lookup('pods', target.namespace, target.name) as unknown as Pod | undefined;
      const own = pod?.spec?.nodeName === node;
      const writesStatus = target.subresource === 'status' && (target.verb === 'update' || target.verb === 'patch');
      return own && (writesStatus || (target.subresource === undefined && target.verb === 'delete'));
    }
    default:
      return reads && READABLE.has(target.plural) && target.subresource === undefined;
  }
}
