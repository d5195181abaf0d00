// What several servers hand out of one range must not be handed out twice. Whoever takes something rewrites one key as it stood before
// the look at what is taken: of two who looked at the same moment one is refused, and looks again. Giving back needs no such care.

import { serviceUnavailable } from '@copepod/api/errors';
import { isStorageError, type Mutation, type Storage } from '../storage/index.ts';
import type { WatchCache } from '../watch-cache/index.ts';
import type { Strategy } from './strategy.ts';

export const ALLOCATIONS = '/allocations/services';

/** Runs a write; what it commits together with anything it takes is handed to it. */
export type Guard = <T>(strategy: Strategy, write: (held: readonly Mutation[]) => Promise<T>) => Promise<T>;

const ATTEMPTS = 40;
const FIRST_PAUSE_MS = 5;
const LAST_PAUSE_MS = 200;

/** Where this server is the only one that writes. */
export const unguarded: Guard = (_, write) => write([]);

/** ApiError ServiceUnavailable when others are always faster. `pause`: about so many milliseconds, at random. */
export function allocationGuard(storage: Storage, cache: WatchCache, pause: (ms: number) => Promise<void>): Guard {
  let turn: Promise<unknown> = Promise.resolve();

  async function attempt<T>(write: (held: readonly Mutation[]) => Promise<T>): Promise<T> {
    for (let attempts = 0; attempts < ATTEMPTS; attempts += 1) {
      const held = await storage.get(ALLOCATIONS);
      await cache.waitFor(await storage.revision());
      try {
        return await write([{ type: 'put', key: ALLOCATIONS, value: new Uint8Array(), expect: held?.modRevision ?? 0 }]);
      } catch (error) {
        if (!isStorageError(error, 'Conflict') || error.key !== ALLOCATIONS) throw error;
        await pause(Math.min(FIRST_PAUSE_MS * 2 ** attempts, LAST_PAUSE_MS));
      }
    }
    throw serviceUnavailable('other servers hand out addresses at the same time: try again');
  }

  return (strategy, write) => {
    if (strategy.allocate === undefined) return write([]);
    // One after the other here, so that this server's own writes do not refuse each other.
    const mine = turn.then(() => attempt(write));
    turn = mine.catch(() => {});
    return mine;
  };
}
