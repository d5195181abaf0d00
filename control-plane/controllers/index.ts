// Every controller: a new one is a folder and a line in CONTROLLERS.

import type { AnyKind } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import { resourceClient, type Transport } from '@copepod/client/rest';
import { type Controller, type ControllerContext, createInformers, type Log, runController } from './controller.ts';
import { deploymentController } from './deployment/controller.ts';
import { endpointSliceController } from './endpoint-slice/controller.ts';
import { eventExpiryController } from './event-expiry/controller.ts';
import { garbageCollector } from './garbage-collector/controller.ts';
import { namespaceController } from './namespace/controller.ts';
import { nodeLifecycleController } from './node-lifecycle/controller.ts';
import { replicaSetController } from './replica-set/controller.ts';

export const CONTROLLERS: readonly Controller[] = [
  deploymentController, replicaSetController, endpointSliceController, nodeLifecycleController, garbageCollector, namespaceController, eventExpiryController,
];

export interface ControllersOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  readonly kinds: readonly AnyKind[];
  readonly nodeGraceMs?: number | undefined;
  readonly nodeEvictionMs?: number | undefined;
}

/** A node is NotReady within 10 s of falling silent, and its pods are elsewhere within 15 s. */
const NODE_GRACE_MS = 8000;
const NODE_EVICTION_MS = 4000;

/** Runs every controller until the signal aborts. */
export async function runControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const informers = createInformers(options.transport, options.clock, options.log);
  const context: ControllerContext = {
    transport: options.transport, clock: options.clock, log: options.log, kinds: options.kinds,
    informer: informers.informer, client: (type) => resourceClient(options.transport, type),
    nodeGraceMs: options.nodeGraceMs ?? NODE_GRACE_MS, nodeEvictionMs: options.nodeEvictionMs ?? NODE_EVICTION_MS,
  };
  const parts = CONTROLLERS.map((controller) => ({ controller, parts: controller.setUp(context) }));
  const running = informers.run(signal);
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([informers.synced(), aborted]);
  await Promise.all([running, ...parts.map((part) => runController(part.controller, part.parts, context, signal))]);
}
