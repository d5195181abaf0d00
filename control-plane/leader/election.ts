// Who of several servers leads: the holder of a Lease object, as client-go's leader election has it. Time is measured here, by the
// monotonic clock, from when a change of the lease was seen: clocks of different machines need not agree. That a leader which did not
// notice its end does no harm is the fence's doing, not this file's.

import { isAlreadyExists, isConflict } from '@copepod/api/errors';
import { LEASE, type Lease } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import { resourceClient, type Transport } from '@copepod/client/rest';

export interface ElectionTimes {
  /** How long a silent leader is waited for, milliseconds. */
  readonly leaseMs: number;
  /** How long a leader tries to renew before it gives up, milliseconds; less than `leaseMs`. */
  readonly renewMs: number;
  /** Between two tries, milliseconds. */
  readonly retryMs: number;
}

export const DEFAULT_TIMES: ElectionTimes = { leaseMs: 6000, renewMs: 4000, retryMs: 1000 };

export interface ElectionOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  /** Of the Lease in kube-system. */
  readonly name: string;
  /** Of this server, unlike any other's and anew at each start. */
  readonly identity: string;
  readonly times?: ElectionTimes;
  /** Leads until the signal aborts. `lease` is as it was taken. What it throws ends the term. */
  readonly lead: (lease: Lease, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

const NAMESPACE = 'kube-system';

/** Stands for election until the signal aborts; a lease held then is given up, so that another need not wait for its end. */
export async function runElection(options: ElectionOptions, signal: AbortSignal): Promise<void> {
  const { transport, clock, name, identity, onError, times = DEFAULT_TIMES } = options;
  const leases = resourceClient(transport, LEASE);
  const ref = { namespace: NAMESPACE, name };
  /** The lease as it was last seen to change, and when. */
  let seen: { readonly version: string; readonly at: number } | undefined;

  const timestamp = (): string => new Date(clock.now()).toISOString().replace('Z', '000Z');
  const pause = (): Promise<void> => clock.sleep(times.retryMs * (0.8 + 0.4 * clock.random()), signal).catch(() => {});

  /** The lease when it is ours now, anew for its whole time. */
  async function tryToHold(): Promise<Lease | undefined> {
    const current = await leases.find(ref);
    const now = timestamp();
    const leaseDurationSeconds = Math.ceil(times.leaseMs / 1000);
    if (current === undefined) {
      const spec = { holderIdentity: identity, leaseDurationSeconds, acquireTime: now, renewTime: now, leaseTransitions: 0 };
      return await leases.create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: ref, spec });
    }
    const holder = current.spec?.holderIdentity ?? '';
    const mine = holder === identity;
    const version = current.metadata.resourceVersion ?? '';
    if (seen?.version !== version) seen = { version, at: clock.monotonic() };
    if (!mine && holder !== '' && clock.monotonic() - seen.at < (current.spec?.leaseDurationSeconds ?? leaseDurationSeconds) * 1000) return undefined;
    const acquired = mine ? {} : { acquireTime: now, leaseTransitions: (current.spec?.leaseTransitions ?? 0) + 1 };
    // With its resourceVersion: of two who see it free, one gets it.
    return await leases.update({ ...current, spec: { ...current.spec, ...acquired, holderIdentity: identity, leaseDurationSeconds, renewTime: now } });
  }

  async function attempt(): Promise<Lease | undefined> {
    try {
      return await tryToHold();
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) onError(error);
      return undefined;
    }
  }

  /** Ours until it was not renewed for too long. Resolves when it is lost or the signal aborts. */
  async function renewing(term: AbortController): Promise<void> {
    let renewed = clock.monotonic();
    while (!term.signal.aborted) {
      await clock.sleep(times.retryMs, term.signal).catch(() => {});
      if (term.signal.aborted) return;
      if (await attempt() !== undefined) renewed = clock.monotonic();
      else if (clock.monotonic() - renewed > times.renewMs) return;
    }
  }

  async function release(): Promise<void> {
    const current = await leases.find(ref);
    if (current?.spec?.holderIdentity !== identity) return;
    await leases.update({ ...current, spec: { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: timestamp() } });
  }

  while (!signal.aborted) {
    const lease = await attempt();
    if (lease !== undefined) {
      const term = new AbortController();
      const stop = (): void => term.abort();
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      const leading = options.lead(lease, term.signal).catch(onError).finally(stop);
      await renewing(term);
      stop();
      await leading;
      signal.removeEventListener('abort', stop);
      // It did no harm to keep it until here: nobody else could begin.
      await release().catch((error: unknown) => {
        if (!signal.aborted) onError(error);
      });
    }
    if (!signal.aborted) await pause();
  }
}
