// Nodes that are not ready, or are cordoned, take no pods.
import { isNodeReady } from '@copepod/api/kinds';
import type { Plugin } from '../../framework/index.ts';

export const nodeSchedulable: Plugin = {
  name: 'NodeSchedulable',
  filter: (_, { node }) => {
    if (node.spec?.unschedulable === true) return 'node(s) were unschedulable';
    return isNodeReady(node) ? undefined : 'node(s) were not ready';
  },
};
