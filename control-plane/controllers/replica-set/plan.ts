// What a ReplicaSet should do now: pods to make, pods to delete. Pure: the same set and pods always give the same plan.

import { isPodActive, isPodAvailable, isPodReady, type Pod, type ReplicaSet, type ReplicaSetStatus } from '@copepod/api/kinds';

export interface ReplicaSetPlan {
  readonly create: number;
  readonly remove: readonly Pod[];
  readonly status: ReplicaSetStatus;
  /** When a pod will become available by waiting alone, milliseconds from now. */
  readonly recheckAfterMs: number | undefined;
}

/** Pods made or deleted in one round: a mistake in a template must not flood the cluster. */
export const BURST = 500;

/** `pods`: those the set controls, ended ones included. `now`: milliseconds. */
export function planReplicaSet(set: ReplicaSet, pods: readonly Pod[], now: number): ReplicaSetPlan {
  const wanted = set.spec?.replicas ?? 1;
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const active = pods.filter(isPodActive);
  const missing = wanted - active.length;
  const deleting = set.metadata.deletionTimestamp !== undefined;
  const remove = missing < 0 && !deleting ? [...active].sort(byDeletionOrder).slice(0, Math.min(-missing, BURST)) : [];
  const ready = active.filter(isPodReady);
  const available = ready.filter((pod) => isPodAvailable(pod, minReadySeconds, now));
  return {
    create: missing > 0 && !deleting ? Math.min(missing, BURST) : 0,
    remove,
    status: {
      replicas: active.length, readyReplicas: ready.length, availableReplicas: available.length,
      fullyLabeledReplicas: active.length, observedGeneration: set.metadata.generation ?? 1,
    },
    recheckAfterMs: available.length < ready.length ? minReadySeconds * 1000 : undefined,
  };
}

/**
 * Which pod goes first: not yet placed before placed, pending before running, not ready before ready, more restarts before fewer,
 * newer before older (kubernetes/pkg/controller, ActivePods).
 */
function byDeletionOrder(a: Pod, b: Pod): number {
  const rank = (pod: Pod): readonly number[] => [
    pod.spec?.nodeName === undefined || pod.spec.nodeName === '' ? 0 : 1,
    pod.status?.phase === 'Running' ? 1 : 0,
    isPodReady(pod) ? 1 : 0,
    -restarts(pod),
    -Date.parse(pod.metadata.creationTimestamp ?? '') || 0,
  ];
  const [left, right] = [rank(a), rank(b)];
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? 0;
    if (value !== other) return value - other;
  }
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}

function restarts(pod: Pod): number {
  return (pod.status?.containerStatuses ?? []).reduce((sum, status) => sum + status.restartCount, 0);
}
