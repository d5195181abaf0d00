// Node: a machine with an agent.

import { type FieldError, forbiddenField } from '../errors/index.ts';
import { cell, type Kind } from './kind.ts';
import type { Node } from './types.generated.ts';

export const NODE: Kind<Node> = {
  apiVersion: 'v1', kind: 'Node', plural: 'nodes', singular: 'node', namespaced: false, shortNames: ['no'], categories: [],
  subresources: ['status'], struct: 'core.v1.Node', selectableFields: ['spec.unschedulable'],
  columns: [
    cell('Status', nodeStatus, { description: 'Ready, NotReady or Unknown; SchedulingDisabled when cordoned' }),
    cell('Roles', roles, { description: 'From its node-role.kubernetes.io labels' }),
    cell('Version', (node) => node.status?.nodeInfo?.kubeletVersion ?? '', { wide: false, description: 'Of its agent' }),
    cell('Internal-IP', (node) => address(node, 'InternalIP'), { wide: true, description: 'Its address inside the cluster' }),
    cell('External-IP', (node) => address(node, 'ExternalIP'), { wide: true, description: 'Its address outside the cluster' }),
    cell('OS-Image', (node) => node.status?.nodeInfo?.osImage ?? '<unknown>', { wide: true, description: 'Operating system' }),
    cell('Kernel-Version', (node) => node.status?.nodeInfo?.kernelVersion ?? '<unknown>', { wide: true, description: 'Kernel' }),
    cell('Container-Runtime', (node) => node.status?.nodeInfo?.containerRuntimeVersion ?? '<unknown>', { wide: true, description: 'The engine that runs components' }),
  ],
  defaults: (node) => ({ ...node, spec: { ...node.spec }, status: { ...node.status } }),
  validate: () => [],
  validateUpdate(node, before): readonly FieldError[] {
    const changed = before.spec?.podCIDR !== undefined && before.spec.podCIDR !== '' && node.spec?.podCIDR !== before.spec.podCIDR;
    return changed ? [forbiddenField('spec.podCIDR', 'node updates may not change podCIDR except from "" to valid')] : [];
  },
};

export function isNodeReady(node: Node): boolean {
  return node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
}

function nodeStatus(node: Node): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  const text = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return node.spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

function roles(node: Node): string {
  const prefix = 'node-role.kubernetes.io/';
  const found = Object.keys(node.metadata.labels ?? {}).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  return found.length === 0 ? '<none>' : found.sort().join(',');
}

function address(node: Node, type: string): string {
  return node.status?.addresses?.find((entry) => entry.type === type)?.address ?? '<none>';
}
