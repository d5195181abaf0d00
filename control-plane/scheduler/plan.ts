// Snapshot in, placements out. Pure: no clock, no randomness; ties go to the node whose name sorts first.

import type { Pod } from '@copepod/api/kinds';
import type { Plugin } from './framework/index.ts';
import type { Snapshot } from './snapshot/index.ts';

export type Placement =
  | { readonly pod: Pod; readonly node: string }
  | { readonly pod: Pod; readonly node: undefined; readonly why: string };

/** Places the pods in their order, each seeing the ones before it. */
export function planPlacements(pods: readonly Pod[], snapshot: Snapshot, plugins: readonly Plugin[]): readonly Placement[] {
  return pods.map((pod) => {
    const reasons = new Map<string, number>();
    let best: { readonly name: string; readonly score: number } | undefined;
    for (const node of snapshot.nodes) {
      const reason = firstReason(pod, node, plugins);
      if (reason !== undefined) {
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        continue;
      }
      const score = plugins.reduce((sum, plugin) => sum + (plugin.score?.(pod, node) ?? 0) * (plugin.weight ?? 1), 0);
      if (best === undefined || score > best.score || (score === best.score && node.name < best.name)) best = { name: node.name, score };
    }
    if (best === undefined) return { pod, node: undefined, why: explain(reasons, snapshot.nodes.length) };
    snapshot.place(pod, best.name);
    return { pod, node: best.name };
  });
}

function firstReason(pod: Pod, node: Snapshot['nodes'][number], plugins: readonly Plugin[]): string | undefined {
  for (const plugin of plugins) {
    const reason = plugin.filter?.(pod, node);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function explain(reasons: ReadonlyMap<string, number>, count: number): string {
  if (count === 0) return 'no nodes available to schedule pods';
  return `0/${count} nodes are available: ${[...reasons].map(([reason, nodes]) => `${nodes} ${reason}`).sort().join(', ')}.`;
}
