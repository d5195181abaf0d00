// What only one server may do at a time: controllers, the scheduler. Alone it does them all; of several on one store each role has a
// leader, whose writes go through its fence.

import { LEASE, type AnyKind } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import type { Transport } from '@copepod/client/rest';
import { behindFence, type ElectionTimes, raiseFence, runElection } from './leader/index.ts';
import { objectStorageKey } from './registry/index.ts';
import type { Storage } from './storage/index.ts';

export interface RoleTools {
  /** The API, and the store, as this term may write them. */
  readonly transport: Transport;
  readonly storage: Storage;
}

export interface Role {
  /** Of its Lease. */
  readonly name: string;
  /** Until the signal aborts. */
  readonly run: (tools: RoleTools, signal: AbortSignal) => Promise<void>;
}

export interface RolesOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Unlike any other server's, and anew at each start. */
  readonly identity: string;
  readonly elected: boolean;
  readonly times?: ElectionTimes | undefined;
  readonly transportOn: (storage: Storage) => Transport;
  readonly roles: readonly Role[];
}

/** Until the signal aborts. */
export async function runRoles(options: RolesOptions, signal: AbortSignal): Promise<void> {
  const { storage, clock, log, identity, elected, times, transportOn, roles } = options;
  const transport = transportOn(storage);
  await Promise.all(roles.map(async ({ name, run }) => {
    if (!elected) {
      await run({ transport, storage }, signal);
      return;
    }
    await runElection({
      transport, clock, name, identity, ...(times === undefined ? {} : { times }),
      onError: (error) => log.warn({ err: error, role: name }, 'the election goes on after a failure'),
      lead: async (lease, over) => {
        const key = objectStorageKey(LEASE as unknown as AnyKind, { namespace: lease.metadata.namespace, name });
        const fence = await raiseFence({ storage, name, identity, lease: { key, revision: Number(lease.metadata.resourceVersion) } });
        const deposed = new AbortController();
        const fenced = behindFence(storage, fence, () => deposed.abort());
        log.info({ role: name, identity, fence: fence.revision }, 'this server leads');
        await run({ transport: transportOn(fenced), storage: fenced }, AbortSignal.any([over, deposed.signal]));
        log.info({ role: name, identity, deposed: deposed.signal.aborted }, 'this server leads no longer');
      },
    }, signal);
  }));
}
