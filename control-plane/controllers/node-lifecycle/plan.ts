// What a node's silence means. Pure.

import type { Lease, Node, NodeCondition, Taint } from '@copepod/api/kinds';

export const UNREACHABLE = 'node.kubernetes.io/unreachable';

export interface NodePlan {
  /** The conditions and taints the node should have, when they differ from what it has. */
  readonly conditions: readonly NodeCondition[] | undefined;
  readonly taints: readonly Taint[] | undefined;
  readonly silent: boolean;
  readonly evict: boolean;
  /** When to look again, milliseconds from now. */
  readonly recheckAfterMs: number;
}

export interface Patience {
  readonly graceMs: number;
  readonly evictionMs: number;
}

/** `now`: milliseconds; `lease` is the node's heartbeat. */
export function planNode(node: Node, lease: Lease | undefined, now: number, { graceMs, evictionMs }: Patience): NodePlan {
  const heard = Date.parse(lease?.spec?.renewTime ?? node.metadata.creationTimestamp ?? '') || 0;
  const quiet = now - heard;
  const taints = node.spec?.taints ?? [];
  const tainted = taints.some((taint) => taint.key === UNREACHABLE);
  if (quiet <= graceMs) {
    return {
      conditions: undefined, taints: tainted ? taints.filter((taint) => taint.key !== UNREACHABLE) : undefined,
      silent: false, evict: false, recheckAfterMs: Math.max(100, graceMs - quiet + 50),
    };
  }
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  const known = ready?.status === 'Unknown';
  const unknown: NodeCondition = { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message: 'The agent stopped posting node status.', lastHeartbeatTime: new Date(heard).toISOString().replace(/\.\d+Z$/, 'Z'), lastTransitionTime: time };
  return {
    conditions: known ? undefined : [...(node.status?.conditions ?? []).filter((condition) => condition.type !== 'Ready'), unknown],
    taints: tainted ? undefined : [...taints, { key: UNREACHABLE, effect: 'NoExecute', timeAdded: time }],
    silent: true, evict: quiet > graceMs + evictionMs, recheckAfterMs: quiet > graceMs + evictionMs ? 30_000 : graceMs + evictionMs - quiet + 50,
  };
}

const BLOCK_SIZE = 4096;
const FIRST_ADDRESS = (127 << 24) | (128 << 16);
const BLOCKS = 2 ** 22 / BLOCK_SIZE;

/** The first free /20 of 127.128.0.0/10; undefined when every block is taken. */
export function freePodCidr(taken: ReadonlySet<string>): string | undefined {
  for (let block = 0; block < BLOCKS; block += 1) {
    const address = FIRST_ADDRESS + block * BLOCK_SIZE;
    const cidr = `${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')}/20`;
    if (!taken.has(cidr)) return cidr;
  }
  return undefined;
}
