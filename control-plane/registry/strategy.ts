// What a kind does differently on its way into the store. Most kinds need none of it; those that do have a file in `strategies/`.

import type { KubeObject } from '@copepod/api/meta';
import type { WatchCache } from '../watch-cache/index.ts';

export interface StrategyContext {
  readonly cache: WatchCache;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
}

export interface DeleteIntent {
  readonly gracePeriodSeconds: number | undefined;
}

export interface Allocation {
  readonly object: KubeObject;
  /** Whether anything was taken that nobody else may have. */
  readonly takes: boolean;
  /** Frees what a refused write took. */
  readonly release: () => void;
}

export interface Strategy {
  /** After defaults, before validation: what the server decides itself (addresses, ports). */
  readonly allocate?: (object: KubeObject, before: KubeObject | undefined, context: StrategyContext) => Allocation;
  /** Seconds the object stays, marked, before it may be removed; 0 removes it at once. */
  readonly gracePeriod?: (object: KubeObject, intent: DeleteIntent) => number;
  /** Why this object may never be deleted, if so. */
  readonly forbidsDeletion?: (object: KubeObject) => string | undefined;
  /** Changes an object that was just marked for deletion. */
  readonly markDeleted?: (object: KubeObject) => KubeObject;
  /** Whether something beside metadata.finalizers still holds a marked object. */
  readonly isHeld?: (object: KubeObject) => boolean;
  /** Kept at creation: kinds whose creator writes the status too. */
  readonly keepsStatusAtCreation?: boolean;
}
