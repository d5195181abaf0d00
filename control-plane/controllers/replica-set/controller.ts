// Makes each ReplicaSet's pods as many as it wants. Pods without an owner that match are adopted; owned ones that match no more are let go.

import { isNotFound } from '@copepod/api/errors';
import { POD, type Pod, REPLICA_SET, type ReplicaSet } from '@copepod/api/kinds';
import { controllerRef, getControllerOf, isControlledBy, labelMatcher, matchesLabels, objectKey } from '@copepod/api/meta';
import { createRecorder } from '@copepod/client/events';
import type { Controller } from '../controller.ts';
import { Expectations } from './expectations.ts';
import { planReplicaSet } from './plan.ts';

/** Writes under way at once for one set. */
const PARALLEL = 50;

export const replicaSetController: Controller = {
  name: 'replica-set',
  setUp(context) {
    const sets = context.informer(REPLICA_SET);
    const pods = context.informer(POD);
    const setClient = context.client(REPLICA_SET);
    const podClient = context.client(POD);
    const expectations = new Expectations(() => context.clock.monotonic());
    const record = createRecorder({ transport: context.transport, clock: context.clock, component: 'replicaset-controller', onLost: (error) => context.log.warn({ err: error }, 'an event was lost') });

    async function claim(set: ReplicaSet): Promise<readonly Pod[]> {
      const matcher = labelMatcher(set.spec?.selector);
      const owned: Pod[] = [];
      for (const pod of pods.store.byIndex('owner', set.metadata.uid ?? '')) {
        if (!isControlledBy(pod, set)) continue;
        if (matchesLabels(matcher, pod.metadata.labels)) owned.push(pod);
        else await podClient.patch(refOf(pod), { type: 'strategic', body: { metadata: { uid: pod.metadata.uid, ownerReferences: [{ $patch: 'delete', uid: set.metadata.uid }] } } });
      }
      if (set.metadata.deletionTimestamp !== undefined) return owned;
      for (const pod of pods.store.byIndex('orphan', set.metadata.namespace ?? '')) {
        if (pod.metadata.deletionTimestamp !== undefined || !matchesLabels(matcher, pod.metadata.labels)) continue;
        owned.push(await podClient.patch(refOf(pod), { type: 'merge', body: { metadata: { uid: pod.metadata.uid, ownerReferences: [...(pod.metadata.ownerReferences ?? []), controllerRef(set)] } } }));
      }
      return owned;
    }

    async function create(set: ReplicaSet, key: string): Promise<void> {
      const { template } = set.spec ?? {};
      if (template?.spec === undefined) return;
      const name = set.metadata.name ?? '';
      try {
        const pod = await podClient.create({
          apiVersion: 'v1', kind: 'Pod',
          metadata: { ...template.metadata, generateName: `${name}-`, namespace: set.metadata.namespace, ownerReferences: [controllerRef(set)] },
          spec: template.spec,
        });
        expectations.expectCreated(key, pod.metadata.uid ?? '');
      } catch (error) {
        record(set, 'Warning', 'FailedCreate', `Error creating: ${error instanceof Error ? error.message : String(error)}`);
        throw error;
      }
    }

    return {
      concurrency: 8,
      keys: () => sets.store.list().map(objectKey),
      watch(queue) {
        sets.onChange(({ key }) => queue.add(key));
        pods.onChange(({ type, object, previous }) => {
          for (const pod of previous === undefined ? [object] : [object, previous]) {
            const owner = getControllerOf(pod);
            if (owner?.kind !== 'ReplicaSet') continue;
            const key = `${pod.metadata.namespace}/${owner.name}`;
            expectations.observe(key, pod.metadata.uid ?? '', type === 'deleted');
            queue.add(key);
          }
          if (getControllerOf(object) === undefined && type !== 'deleted') {
            for (const set of sets.store.byIndex('namespace', object.metadata.namespace ?? '')) {
              if (matchesLabels(labelMatcher(set.spec?.selector), object.metadata.labels)) queue.add(objectKey(set));
            }
          }
        });
      },
      async sync(key) {
        const set = sets.store.get(key);
        if (set === undefined) {
          expectations.forget(key);
          return;
        }
        // The store does not show yet what was written the last time: planning now would write it twice.
        if (!expectations.met(key)) return { requeueAfterMs: 100 };
        const owned = await claim(set);
        const plan = planReplicaSet(set, owned, context.clock.now());
        try {
          await inBatches(Array.from({ length: plan.create }), async () => create(set, key));
          await inBatches(plan.remove, async (pod) => {
            expectations.expectDeleted(key, pod.metadata.uid ?? '');
            await podClient.delete(refOf(pod), { preconditions: { uid: pod.metadata.uid ?? '' } }).catch((error: unknown) => {
              expectations.observe(key, pod.metadata.uid ?? '', true);
              if (!isNotFound(error)) throw error;
            });
          });
        } finally {
          await writeStatus(set, plan.status);
        }
        if (plan.create > 0) record(set, 'Normal', 'SuccessfulCreate', `Created ${plan.create} pod${plan.create === 1 ? '' : 's'}`);
        if (plan.remove.length > 0) record(set, 'Normal', 'SuccessfulDelete', `Deleted ${plan.remove.length} pod${plan.remove.length === 1 ? '' : 's'}`);
        return plan.recheckAfterMs === undefined ? undefined : { requeueAfterMs: plan.recheckAfterMs };
      },
    };

    async function writeStatus(set: ReplicaSet, status: ReplicaSet['status']): Promise<void> {
      const next = { ...set.status, ...status } as NonNullable<ReplicaSet['status']>;
      if (JSON.stringify(next) === JSON.stringify(set.status)) return;
      const { resourceVersion: _, ...metadata } = set.metadata;
      await setClient.updateStatus({ ...set, metadata, status: next }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  },
};

function refOf(pod: Pod): { readonly namespace: string | undefined; readonly name: string } {
  return { namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' };
}

/** One first, then twice as many each time: a template nobody admits is refused once, not five hundred times. */
async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0, size = 1; start < items.length; start += size, size = Math.min(size * 2, PARALLEL)) {
    await Promise.all(items.slice(start, start + size).map(work));
  }
}
