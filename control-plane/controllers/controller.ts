// The frame every controller stands in: informers it reads, a queue of keys, a `sync` that makes one key true. `sync` takes no event:
// it reads the stores, plans, and writes what the plan says; a write that is refused is planned anew.

import { isConflict, isNotFound } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import { getControllerOf, type ObjectMeta } from '@copepod/api/meta';
import type { Clock } from '@copepod/client/clock';
import { createInformer, type Indexers, type Informer } from '@copepod/client/informer';
import { type ResourceClient, resourceClient, type ResourceType, type Transport } from '@copepod/client/rest';
import { createWorkQueue, type Outcome, type WorkQueue } from '@copepod/client/workqueue';

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ControllerContext {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  readonly kinds: readonly AnyKind[];
  /** One informer for each kind, shared by all controllers; ask before the context is run. */
  readonly informer: <T extends { readonly metadata: ObjectMeta }>(type: ResourceType<T>) => Informer<T>;
  readonly client: <T extends { readonly metadata: ObjectMeta }>(type: ResourceType<T>) => ResourceClient<T>;
  /** How long a node's lease may be silent, milliseconds. */
  readonly nodeGraceMs: number;
  /** How long after that its pods are given up, milliseconds. */
  readonly nodeEvictionMs: number;
}

export interface Controller {
  readonly name: string;
  /** Called once, before informers run: subscribe, and say what to do with a key. */
  readonly setUp: (context: ControllerContext) => ControllerParts;
}

export interface ControllerParts {
  readonly sync: (key: string) => Promise<Outcome>;
  /** Hands over the queue; informers' listeners add to it. */
  readonly watch: (queue: WorkQueue) => void;
  readonly concurrency?: number;
  /** All keys are looked at anew so often, whatever was heard. */
  readonly resyncMs?: number;
  readonly keys?: () => readonly string[];
}

/** Indexes every shared informer carries: by the uid of each owner, by namespace, and, of those nobody controls, by namespace. */
export const SHARED_INDEXERS = {
  owner: (object: { readonly metadata: ObjectMeta }) => (object.metadata.ownerReferences ?? []).map((reference) => reference.uid),
  namespace: (object: { readonly metadata: ObjectMeta }) => [object.metadata.namespace ?? ''],
  orphan: (object: { readonly metadata: ObjectMeta }) => (getControllerOf(object) === undefined ? [object.metadata.namespace ?? ''] : []),
} satisfies Indexers<{ readonly metadata: ObjectMeta }>;

export function createInformers(transport: Transport, clock: Clock, log: Log): { readonly informer: ControllerContext['informer']; readonly run: (signal: AbortSignal) => Promise<void>; readonly synced: () => Promise<void> } {
  const informers = new Map<string, Informer<never>>();
  return {
    informer<T extends { readonly metadata: ObjectMeta }>(type: ResourceType<T>): Informer<T> {
      const key = `${type.apiVersion}/${type.plural}`;
      const known = informers.get(key) as Informer<T> | undefined;
      if (known !== undefined) return known;
      const onError = (error: unknown): void => log.warn({ err: error, resource: key }, 'an informer lost its watch and goes on');
      const informer = createInformer<T>({ client: resourceClient(transport, type), clock, indexers: SHARED_INDEXERS, onError });
      informers.set(key, informer as unknown as Informer<never>);
      return informer;
    },
    run: async (signal) => {
      await Promise.all([...informers.values()].map((informer) => informer.run(signal)));
    },
    synced: async () => {
      await Promise.all([...informers.values()].map((informer) => informer.synced));
    },
  };
}

/** Runs until the signal aborts; resolves when the last key is done. */
export async function runController(controller: Controller, parts: ControllerParts, context: ControllerContext, signal: AbortSignal): Promise<void> {
  const queue = createWorkQueue({
    clock: context.clock, process: parts.sync, concurrency: parts.concurrency ?? 4,
    onError: (key, error, attempt) => {
      // Losing a race is the ordinary case; anything else, and a race lost many times, is worth a line.
      if ((isConflict(error) || isNotFound(error)) && attempt < 5) return;
      context.log.warn({ err: error, controller: controller.name, key, attempt }, 'sync failed and will be tried again');
    },
  });
  parts.watch(queue);
  const { keys, resyncMs } = parts;
  for (const key of keys?.() ?? []) queue.add(key);
  while (!signal.aborted) {
    await context.clock.sleep(resyncMs ?? 60_000, signal).catch(() => {});
    if (!signal.aborted) for (const key of keys?.() ?? []) queue.add(key);
  }
  await queue.stop();
}
