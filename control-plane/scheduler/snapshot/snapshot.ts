// The cluster as one round of scheduling sees it: taken once, changed only by the placements of that round.

import { type Node, type Pod } from '@copepod/api/kinds';
import { getControllerOf, parseQuantity } from '@copepod/api/meta';
import { type NodeSummary, requestOf } from '../framework/index.ts';

interface MutableSummary extends NodeSummary {
  requested: { cpu: number; memory: number };
  podCount: number;
  readonly byOwner: Map<string, number>;
}

export class Snapshot {
  readonly #nodes = new Map<string, MutableSummary>();

  constructor(nodes: readonly Node[], pods: readonly Pod[]) {
    for (const node of nodes) {
      const quantity = (resource: string): number => parseQuantity(node.status?.allocatable?.[resource] ?? '0') ?? 0;
      const name = node.metadata.name ?? '';
      this.#nodes.set(name, {
        name, node, allocatable: { cpu: quantity('cpu'), memory: quantity('memory'), pods: quantity('pods') },
        requested: { cpu: 0, memory: 0 }, podCount: 0, byOwner: new Map(),
      });
    }
    for (const pod of pods) {
      const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
      if (pod.spec?.nodeName !== undefined && !ended) this.place(pod, pod.spec.nodeName);
    }
  }

  get nodes(): readonly NodeSummary[] {
    return [...this.#nodes.values()];
  }

  /** Counts a pod on a node; unknown nodes are passed over. */
  place(pod: Pod, name: string): void {
    const summary = this.#nodes.get(name);
    if (summary === undefined) return;
    const { cpu, memory } = requestOf(pod);
    summary.requested = { cpu: summary.requested.cpu + cpu, memory: summary.requested.memory + memory };
    summary.podCount += 1;
    const owner = getControllerOf(pod)?.uid;
    if (owner !== undefined) summary.byOwner.set(owner, (summary.byOwner.get(owner) ?? 0) + 1);
  }
}
