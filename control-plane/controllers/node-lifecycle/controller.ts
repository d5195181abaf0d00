// Watches the nodes' heartbeats. A node that falls silent is marked, its pods are taken out of every route, and after a while given up, so
// that their owners make others. Also hands each node its block of pod addresses, and removes pods of nodes that are no more.

import { isConflict, isNotFound } from '@copepod/api/errors';
import { LEASE, type Node, NODE, type Pod, POD } from '@copepod/api/kinds';
import { createRecorder } from '@copepod/client/events';
import type { Controller } from '../controller.ts';
import { freePodCidr, planNode, UNREACHABLE } from './plan.ts';

const LEASE_NAMESPACE = 'kube-node-lease';

export const nodeLifecycleController: Controller = {
  name: 'node-lifecycle',
  setUp(context) {
    const nodes = context.informer(NODE);
    const leases = context.informer(LEASE);
    const pods = context.informer(POD);
    const nodeClient = context.client(NODE);
    const podClient = context.client(POD);
    const started = context.clock.now();
    const record = createRecorder({ transport: context.transport, clock: context.clock, component: 'node-controller', onLost: (error) => context.log.warn({ err: error }, 'an event was lost') });
    const podsOf = (node: string): readonly Pod[] => pods.store.list().filter((pod) => pod.spec?.nodeName === node);

    async function remove(pod: Pod, gracePeriodSeconds: number | undefined): Promise<void> {
      await podClient.delete({ namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' }, { gracePeriodSeconds, preconditions: { uid: pod.metadata.uid ?? '' } }).catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
    }

    async function unready(pod: Pod): Promise<void> {
      const ready = pod.status?.conditions?.find((condition) => condition.type === 'Ready');
      if (ready?.status !== 'True') return;
      const time = new Date(context.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
      const conditions = (pod.status?.conditions ?? []).map((condition) => (condition.type === 'Ready' ? { ...condition, status: 'False', reason: 'NodeNotReady', lastTransitionTime: time } : condition));
      const { resourceVersion: _, ...metadata } = pod.metadata;
      await podClient.updateStatus({ ...pod, metadata, status: { ...pod.status, conditions } }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }

    /** Handed out here, which the informer may not show yet. */
    const handedOut = new Map<string, string>();

    async function assignCidr(node: Node): Promise<void> {
      for (const name of handedOut.keys()) {
        const shown = nodes.store.get(name);
        if (shown === undefined || shown.spec?.podCIDR !== undefined) handedOut.delete(name);
      }
      const taken = new Set([...nodes.store.list().flatMap((other) => other.spec?.podCIDR ?? []), ...handedOut.values()]);
      const podCIDR = freePodCidr(taken);
      if (podCIDR === undefined) {
        record(node, 'Warning', 'CIDRNotAvailable', 'no block of pod addresses is free in 127.128.0.0/10');
        return;
      }
      await nodeClient.patch({ name: node.metadata.name ?? '' }, { type: 'merge', body: { metadata: { resourceVersion: node.metadata.resourceVersion }, spec: { podCIDR, podCIDRs: [podCIDR] } } });
      handedOut.set(node.metadata.name ?? '', podCIDR);
    }

    return {
      // One at a time: two nodes must not be handed the same block.
      concurrency: 1,
      keys: () => [...new Set([...nodes.store.list().map((node) => node.metadata.name ?? ''), ...pods.store.list().flatMap((pod) => pod.spec?.nodeName ?? [])])].filter((name) => name !== ''),
      resyncMs: 10_000,
      watch(queue) {
        nodes.onChange(({ key }) => queue.add(key));
        leases.onChange(({ object }) => {
          const name = object.metadata.name ?? '';
          // A heartbeat of a node that is well changes nothing; only one that was given up is worth a look.
          const tainted = nodes.store.get(name)?.spec?.taints?.some((taint) => taint.key === UNREACHABLE) ?? false;
          if (object.metadata.namespace === LEASE_NAMESPACE && tainted) queue.add(name);
        });
      },
      async sync(name) {
        const node = nodes.store.get(name);
        if (node === undefined) {
          // Its agent is gone for good: nobody else will ever remove these.
          for (const pod of podsOf(name)) await remove(pod, 0);
          return undefined;
        }
        if (node.spec?.podCIDR === undefined || node.spec.podCIDR === '') await assignCidr(node);
        const now = context.clock.now();
        const patience = { graceMs: context.nodeGraceMs, evictionMs: context.nodeEvictionMs };
        const plan = planNode(node, leases.store.get(`${LEASE_NAMESPACE}/${name}`), now, patience);
        // While the server was away no heartbeat could reach it: that silence is its own.
        if (plan.silent && now - started < patience.graceMs) return { requeueAfterMs: patience.graceMs - (now - started) + 50 };
        if (plan.taints !== undefined) await nodeClient.patch({ name }, { type: 'merge', body: { spec: { taints: plan.taints } } });
        if (plan.conditions !== undefined) {
          const current = await nodeClient.get({ name });
          const { resourceVersion: _, ...metadata } = current.metadata;
          await nodeClient.updateStatus({ ...current, metadata, status: { ...current.status, conditions: plan.conditions } });
          record(node, 'Warning', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
        }
        if (plan.silent) for (const pod of podsOf(name)) await unready(pod);
        if (plan.evict) {
          for (const pod of podsOf(name)) {
            if (pod.metadata.deletionTimestamp !== undefined) continue;
            record(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${pod.metadata.namespace}/${pod.metadata.name}: node ${name} is unreachable`);
            await remove(pod, undefined);
          }
        }
        return { requeueAfterMs: plan.recheckAfterMs };
      },
    };
  },
};
