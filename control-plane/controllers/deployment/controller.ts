// Rolls each Deployment's newest template out through ReplicaSets.

import { isAlreadyExists, isNotFound } from '@copepod/api/errors';
import { type Deployment, DEPLOYMENT, REPLICA_SET, type ReplicaSet } from '@copepod/api/kinds';
import { controllerRef, getControllerOf, isControlledBy, labelMatcher, matchesLabels, objectKey } from '@copepod/api/meta';
import { createRecorder } from '@copepod/client/events';
import type { Controller } from '../controller.ts';
import { type DeploymentPlan, HASH_LABEL, planDeployment, REVISION, sameTemplate } from './plan.ts';

export const deploymentController: Controller = {
  name: 'deployment',
  setUp(context) {
    const deployments = context.informer(DEPLOYMENT);
    const sets = context.informer(REPLICA_SET);
    const client = context.client(DEPLOYMENT);
    const setClient = context.client(REPLICA_SET);
    const record = createRecorder({ transport: context.transport, clock: context.clock, component: 'deployment-controller', onLost: (error) => context.log.warn({ err: error }, 'an event was lost') });

    async function claim(deployment: Deployment): Promise<readonly ReplicaSet[]> {
      const owned = sets.store.byIndex('owner', deployment.metadata.uid ?? '').filter((set) => isControlledBy(set, deployment));
      const matcher = labelMatcher(deployment.spec.selector);
      const orphans = sets.store.byIndex('orphan', deployment.metadata.namespace ?? '').filter((set) => set.metadata.deletionTimestamp === undefined && matchesLabels(matcher, set.metadata.labels));
      const adopted = await Promise.all(orphans.map((set) => setClient.patch(refOf(set), { type: 'merge', body: { metadata: { uid: set.metadata.uid, ownerReferences: [...(set.metadata.ownerReferences ?? []), controllerRef(deployment)] } } })));
      return [...owned, ...adopted];
    }

    async function create(deployment: Deployment, { hash, replicas, revision }: NonNullable<DeploymentPlan['create']>): Promise<void> {
      const { template, selector } = deployment.spec;
      const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
      const name = `${deployment.metadata.name}-${hash}`;
      try {
        await setClient.create({
          apiVersion: 'apps/v1', kind: 'ReplicaSet',
          metadata: { name, namespace: deployment.metadata.namespace, labels, annotations: { [REVISION]: String(revision) }, ownerReferences: [controllerRef(deployment)] },
          spec: {
            replicas, minReadySeconds: deployment.spec.minReadySeconds, selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
            template: { ...template, metadata: { ...template.metadata, labels } },
          },
        });
        record(deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${name} to ${replicas}`);
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        const there = await setClient.get({ namespace: deployment.metadata.namespace, name });
        if (isControlledBy(there, deployment) && sameTemplate(there.spec?.template, template)) return;
        // Another template has the same hash: the next one is made with this count in it.
        const { resourceVersion: _, ...metadata } = deployment.metadata;
        await client.updateStatus({ ...deployment, metadata, status: { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 } });
      }
    }

    return {
      keys: () => deployments.store.list().map(objectKey),
      watch(queue) {
        deployments.onChange(({ key }) => queue.add(key));
        sets.onChange(({ object, previous }) => {
          for (const set of previous === undefined ? [object] : [object, previous]) {
            const owner = getControllerOf(set);
            if (owner?.kind === 'Deployment') queue.add(`${set.metadata.namespace}/${owner.name}`);
          }
        });
      },
      async sync(key) {
        const deployment = deployments.store.get(key);
        if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return undefined;
        const plan = planDeployment(deployment, await claim(deployment), context.clock.now());
        if (plan.create !== undefined) await create(deployment, plan.create);
        for (const { set, replicas } of plan.scale) {
          const before = set.spec?.replicas ?? 0;
          await setClient.patch(refOf(set), { type: 'merge', body: { metadata: { resourceVersion: set.metadata.resourceVersion }, spec: { replicas } } });
          record(deployment, 'Normal', 'ScalingReplicaSet', `Scaled ${replicas > before ? 'up' : 'down'} replica set ${set.metadata.name} from ${before} to ${replicas}`);
        }
        if (plan.revise !== undefined) await setClient.patch(refOf(plan.revise.set), { type: 'merge', body: { metadata: { annotations: { [REVISION]: String(plan.revise.revision) } } } });
        for (const set of plan.remove) await setClient.delete(refOf(set)).catch(ignoreNotFound);
        if (plan.revision > 0 && deployment.metadata.annotations?.[REVISION] !== String(plan.revision)) {
          await client.patch(refOf(deployment), { type: 'merge', body: { metadata: { annotations: { [REVISION]: String(plan.revision) } } } });
        }
        if (JSON.stringify(plan.status) !== JSON.stringify(deployment.status)) {
          const { resourceVersion: _, ...metadata } = deployment.metadata;
          await client.updateStatus({ ...deployment, metadata, status: plan.status }).catch(ignoreNotFound);
        }
        return plan.recheckAfterMs === undefined ? undefined : { requeueAfterMs: plan.recheckAfterMs };
      },
    };
  },
};

function refOf(object: { readonly metadata: Deployment['metadata'] }): { readonly namespace: string | undefined; readonly name: string } {
  return { namespace: object.metadata.namespace, name: object.metadata.name ?? '' };
}

function ignoreNotFound(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
