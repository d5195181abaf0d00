// The scheduler: pods without a node are planned together, one round after the other, and bound.

import { isConflict, isNotFound } from '@copepod/api/errors';
import { NODE, type Pod, POD, podCondition } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import { createInformer } from '@copepod/client/informer';
import { resourceClient, type Transport } from '@copepod/client/rest';
import { createWorkQueue } from '@copepod/client/workqueue';
import { planPlacements } from './plan.ts';
import { PLUGINS } from './plugins/index.ts';
import { Snapshot } from './snapshot/index.ts';

export interface SchedulerOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
}

/** Pods planned in one round: bounds how long a round takes, and how old its snapshot grows. */
const ROUND = 500;
const PARALLEL_BINDS = 64;
/** Pods that fit nowhere are tried again when the cluster changes, and at least this often. */
const RETRY_MS = 30_000;
const ROUND_KEY = 'round';

/** Runs until the signal aborts. */
export async function runScheduler({ transport, clock, log }: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const podClient = resourceClient(transport, POD);
  const onError = (error: unknown): void => log.warn({ err: error }, 'the scheduler lost its watch and goes on');
  const pods = createInformer({ client: podClient, clock, onError, indexers: { placed: (pod) => [isPlaced(pod) ? 'yes' : 'no'] } });
  const nodes = createInformer({ client: resourceClient(transport, NODE), clock, onError });
  /** Bound in an earlier round, but not shown by the informer yet. */
  const assumed = new Map<string, Pod>();

  async function round(): Promise<void> {
    const waiting = pods.store.byIndex('placed', 'no').filter((pod) => pod.metadata.deletionTimestamp === undefined && !assumed.has(pod.metadata.uid ?? ''));
    if (waiting.length === 0) return;
    const inOrder = [...waiting].sort((a, b) => Date.parse(a.metadata.creationTimestamp ?? '') - Date.parse(b.metadata.creationTimestamp ?? '') || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
    const snapshot = new Snapshot(nodes.store.list(), [...pods.store.byIndex('placed', 'yes'), ...assumed.values()]);
    const placements = planPlacements(inOrder.slice(0, ROUND), snapshot, PLUGINS);
    for (let start = 0; start < placements.length; start += PARALLEL_BINDS) {
      await Promise.all(placements.slice(start, start + PARALLEL_BINDS).map(async (placement) => {
        if (placement.node === undefined) await unschedulable(placement.pod, placement.why);
        else await bind(placement.pod, placement.node);
      }));
    }
    if (placements.some((placement) => placement.node === undefined)) queue.addAfter(ROUND_KEY, RETRY_MS);
    if (waiting.length > ROUND && placements.some((placement) => placement.node !== undefined)) queue.add(ROUND_KEY);
  }

  async function bind(pod: Pod, node: string): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    assumed.set(uid, { ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: node } });
    try {
      const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: pod.metadata.name, namespace: pod.metadata.namespace }, target: { apiVersion: 'v1', kind: 'Node', name: node } };
      await podClient.createSubresource({ namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' }, 'binding', body);
    } catch (error) {
      assumed.delete(uid);
      if (isNotFound(error) || isConflict(error)) return;
      throw error;
    }
  }

  async function unschedulable(pod: Pod, why: string): Promise<void> {
    const before = podCondition(pod.status, 'PodScheduled');
    if (before?.status === 'False' && before.message === why) return;
    const time = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: why, lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : time };
    const conditions = [...(pod.status?.conditions ?? []).filter((known) => known.type !== 'PodScheduled'), condition];
    await podClient.updateStatus({ ...pod, status: { ...pod.status, conditions } }).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
  }

  const queue = createWorkQueue({ clock, process: round, concurrency: 1, onError: (_, error) => log.warn({ err: error }, 'a round of scheduling failed and will be tried again') });
  pods.onChange(({ type, object, previous }) => {
    if (type === 'deleted' || isPlaced(object)) assumed.delete(object.metadata.uid ?? '');
    // Room may have come free, or a pod has come: both are worth a round. A status that changed is not.
    if ((type === 'added' && !isPlaced(object)) || type === 'deleted') queue.add(ROUND_KEY);
    else if (previous !== undefined && !isPlaced(object) && previous.spec !== object.spec) queue.add(ROUND_KEY);
  });
  nodes.onChange(() => {
    if (pods.store.byIndex('placed', 'no').length > 0) queue.add(ROUND_KEY);
  });
  await Promise.all([pods.run(signal), nodes.run(signal)]);
  await queue.stop();
}

function isPlaced(pod: Pod): boolean {
  return pod.spec?.nodeName !== undefined && pod.spec.nodeName !== '';
}
