// What a scheduling plugin is. A plugin sees a pod and a node's summary, nothing else, and keeps no state: a plan made twice is the same.

import type { Node, Pod } from '@copepod/api/kinds';

/** What a pod asks for: base units. */
export interface Request {
  readonly cpu: number;
  readonly memory: number;
}

/** A node as it would be after the placements decided so far in this round. */
export interface NodeSummary {
  readonly name: string;
  readonly node: Node;
  readonly allocatable: Request & { readonly pods: number };
  readonly requested: Request;
  readonly podCount: number;
  /** Pods here by the uid of their controlling owner. */
  readonly byOwner: ReadonlyMap<string, number>;
}

export interface Plugin {
  readonly name: string;
  /** Undefined: the pod may go there; else why not, worded as after "0/3 nodes are available: 2 …". */
  readonly filter?: (pod: Pod, node: NodeSummary) => string | undefined;
  /** Higher is better, in [0, 1]. */
  readonly score?: (pod: Pod, node: NodeSummary) => number;
  /** How much its score counts among the others. */
  readonly weight?: number;
}
