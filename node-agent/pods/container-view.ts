// What a container looks like from outside, and the pod status made of it. Pure.

import type { ContainerState, ContainerStateTerminated, Pod, PodCondition, PodStatus } from '@copepod/api/kinds';

export interface ContainerView {
  readonly state:
    | { readonly is: 'waiting'; readonly reason: string; readonly message: string }
    | { readonly is: 'running'; readonly startedAt: string }
    | { readonly is: 'terminated'; readonly terminated: ContainerStateTerminated };
  readonly ready: boolean;
  /** Passed its startup probe. */
  readonly started: boolean;
  readonly restartCount: number;
  readonly lastTerminated: ContainerStateTerminated | undefined;
  readonly digest: string | undefined;
  /** Set when the pod has come to its end. */
  readonly phase: 'Succeeded' | 'Failed' | undefined;
}

export interface PodSurroundings {
  readonly hostIP: string;
  readonly podIP: string;
  readonly startTime: string;
  /** RFC 3339, whole seconds. */
  readonly now: string;
}

/** Conditions that others keep (PodScheduled) stay as they are; times move only when a condition changes. */
export function podStatus(pod: Pod, view: ContainerView, around: PodSurroundings): PodStatus {
  const container = pod.spec?.containers[0];
  const condition = (type: string, holds: boolean, reason?: string, message?: string): PodCondition => {
    const status = holds ? 'True' : 'False';
    const before = pod.status?.conditions?.find((known) => known.type === type);
    return {
      type, status, ...(reason === undefined ? {} : { reason }), ...(message === undefined || message === '' ? {} : { message }),
      lastTransitionTime: before?.status === status ? before.lastTransitionTime ?? around.now : around.now,
    };
  };
  const why = view.phase === 'Succeeded' ? 'PodCompleted' : 'ContainersNotReady';
  const unready = `containers with unready status: [${container?.name ?? ''}]`;
  const own = [
    condition('Initialized', true),
    view.ready ? condition('ContainersReady', true) : condition('ContainersReady', false, why, unready),
    view.ready ? condition('Ready', true) : condition('Ready', false, why, unready),
  ];
  const kept = (pod.status?.conditions ?? []).filter((known) => !own.some((mine) => mine.type === known.type));
  return {
    phase: view.phase ?? (view.state.is === 'waiting' && view.lastTerminated === undefined && view.restartCount === 0 ? 'Pending' : 'Running'),
    conditions: [...kept, ...own],
    hostIP: around.hostIP, hostIPs: [{ ip: around.hostIP }], podIP: around.podIP, podIPs: [{ ip: around.podIP }], startTime: around.startTime,
    qosClass: container?.resources?.limits === undefined && container?.resources?.requests === undefined ? 'BestEffort' : 'Burstable',
    containerStatuses: [{
      name: container?.name ?? '', image: container?.image ?? '', imageID: view.digest ?? '', ready: view.ready, started: view.started, restartCount: view.restartCount,
      containerID: view.digest === undefined ? '' : `wasm://${pod.metadata.uid}`,
      state: stateOf(view), lastState: view.lastTerminated === undefined ? {} : { terminated: view.lastTerminated },
    }],
  };
}

function stateOf({ state }: ContainerView): ContainerState {
  switch (state.is) {
    case 'waiting': return { waiting: { reason: state.reason, ...(state.message === '' ? {} : { message: state.message }) } };
    case 'running': return { running: { startedAt: state.startedAt } };
    case 'terminated': return { terminated: state.terminated };
  }
}
