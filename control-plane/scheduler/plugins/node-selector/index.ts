// spec.nodeSelector: the node must carry every label named.
import type { Plugin } from '../../framework/index.ts';

export const nodeSelector: Plugin = {
  name: 'NodeSelector',
  filter: (pod, { node }) => {
    const matches = Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => node.metadata.labels?.[key] === value);
    return matches ? undefined : "node(s) didn't match Pod's node selector";
  },
};
