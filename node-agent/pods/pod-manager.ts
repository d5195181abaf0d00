// Desired against actual on this node: every pod the API places here has a runner, and no runner is without its pod. Statuses are
// written when they differ from what the API shows.

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isConflict, isNotFound } from '@copepod/api/errors';
import { type Pod, POD } from '@copepod/api/kinds';
import { createInformer } from '@copepod/client/informer';
import { resourceClient } from '@copepod/client/rest';
import { createWorkQueue } from '@copepod/client/workqueue';
import { podStatus } from './container-view.ts';
import type { PodAddresses } from './pod-addresses.ts';
import { PodRunner, type RunnerDependencies } from './pod-runner.ts';

export interface PodManagerOptions extends RunnerDependencies {
  readonly nodeName: string;
  readonly hostIP: string;
  readonly addresses: PodAddresses;
  /** Holds a folder of logs for each pod. */
  readonly logFolder: string;
  /** Holds what a pod has on disk while it is here, by its uid. */
  readonly podFolder: string;
  /** Holds key-value buckets, by namespace. */
  readonly bucketFolder: string;
  /** Takes a workload out of this node's own routes, before it is stopped. */
  readonly withdraw: (uid: string) => Promise<void>;
  readonly restore: (uid: string) => void;
  readonly log: { warn(fields: object, message: string): void };
}

export interface PodManager {
  runner(namespace: string, name: string): PodRunner | undefined;
  /** Of every pod of this node. */
  runners(): readonly PodRunner[];
  /** Until the signal aborts; then every workload is ended. */
  run(signal: AbortSignal): Promise<void>;
}

interface Entry {
  readonly runner: PodRunner;
  readonly podIP: string;
  readonly startTime: string;
  ending: Promise<void> | undefined;
}

const STATUS_WRITES = 32;

export function createPodManager(options: PodManagerOptions): PodManager {
  const { clock, log } = options;
  const client = resourceClient(options.transport, POD);
  const entries = new Map<string, Entry>();
  /** `namespace/name` → the uid that runs under it. */
  const byKey = new Map<string, string>();
  const informer = createInformer({
    client, clock, fieldSelector: `spec.nodeName=${options.nodeName}`,
    onError: (error) => log.warn({ err: error }, 'the agent lost its watch of pods and goes on'),
  });
  const time = (): string => new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const logsOf = (pod: Pod): string => join(options.logFolder, `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`);
  const folderOf = (pod: Pod): string => join(options.podFolder, pod.metadata.uid ?? '');

  const statuses = createWorkQueue({
    clock, concurrency: STATUS_WRITES, lastDelayMs: 5000, process: writeStatus,
    onError: (key, error, attempt) => {
      if (attempt === 3) log.warn({ err: error, pod: key }, 'a pod status cannot be written; it will be tried again');
    },
  });
  const queue = createWorkQueue({ clock, concurrency: 16, process: sync, onError: (key, error) => log.warn({ err: error, pod: key }, 'a pod could not be synchronised; it will be tried again') });

  async function sync(key: string): Promise<void> {
    const pod = informer.store.get(key);
    const uid = pod?.metadata.uid ?? '';
    const present = byKey.get(key);
    if (present !== undefined && present !== uid) await end(key, present, 0);
    if (pod === undefined) return;
    const entry = entries.get(uid);
    const ended = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (entry !== undefined) entry.ending ??= end(key, uid, (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000).then(() => queue.add(key));
      else {
        await clear(pod);
        await removeFromApi(pod);
      }
      return;
    }
    if (entry === undefined && !ended) begin(key, pod);
    else if (entry !== undefined && !ended) statuses.add(key);
  }

  function begin(key: string, pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const podIP = options.addresses.take(pod.status?.podIP) ?? '';
    const place = { podIP, logFolder: logsOf(pod), volumeFolder: join(folderOf(pod), 'volumes'), bucketFolder: join(options.bucketFolder, pod.metadata.namespace ?? '') };
    const runner = new PodRunner(pod, place, options, () => statuses.add(key));
    options.restore(uid);
    entries.set(uid, { runner, podIP, startTime: pod.status?.startTime ?? time(), ending: undefined });
    byKey.set(key, uid);
    runner.start();
  }

  /** Out of the routes first, then drained, then forgotten. */
  async function end(key: string, uid: string, graceMs: number): Promise<void> {
    const entry = entries.get(uid);
    if (entry === undefined) return;
    await options.withdraw(uid);
    await entry.runner.end(graceMs);
    entries.delete(uid);
    if (byKey.get(key) === uid) byKey.delete(key);
    options.addresses.release(entry.podIP);
    options.restore(uid);
    await clear(entry.runner.pod);
  }

  async function clear(pod: Pod): Promise<void> {
    for (const folder of [logsOf(pod), folderOf(pod)]) await rm(folder, { recursive: true, force: true });
  }

  /** What pods left that went while no agent ran: their files may be Secrets. */
  async function clearStrangers(): Promise<void> {
    await informer.synced;
    const known = new Set(informer.store.list().map((pod) => pod.metadata.uid));
    const left = await readdir(options.podFolder).catch(() => []);
    for (const uid of left) if (!known.has(uid) && !entries.has(uid)) await rm(join(options.podFolder, uid), { recursive: true, force: true });
  }

  async function removeFromApi(pod: Pod): Promise<void> {
    await client.delete({ namespace: pod.metadata.namespace, name: pod.metadata.name ?? '' }, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid ?? '' } }).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
  }

  async function writeStatus(key: string): Promise<void> {
    const pod = informer.store.get(key);
    const entry = entries.get(pod?.metadata.uid ?? '');
    if (pod === undefined || entry === undefined) return;
    const status = podStatus(pod, entry.runner.view, { hostIP: options.hostIP, podIP: entry.podIP, startTime: entry.startTime, now: time() });
    if (JSON.stringify(status) === JSON.stringify(pod.status)) return;
    const { resourceVersion: _, ...metadata } = pod.metadata;
    await client.updateStatus({ ...pod, metadata, status }).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
  }

  informer.onChange(({ key }) => queue.add(key));
  return {
    runner: (namespace, name) => entries.get(byKey.get(`${namespace}/${name}`) ?? '')?.runner,
    runners: () => [...entries.values()].map((entry) => entry.runner),
    async run(signal) {
      void clearStrangers().catch((error: unknown) => log.warn({ err: error }, 'what former pods left could not be removed'));
      await informer.run(signal);
      await queue.stop();
      await statuses.stop();
      await Promise.all([...entries.values()].map((entry) => entry.runner.end(0)));
    },
  };
}

