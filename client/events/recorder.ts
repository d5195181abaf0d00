// Events: what a controller or agent tells people about an object. The same thing said again only counts up.

import { EVENT, type Event } from '@copepod/api/kinds';
import type { ObjectMeta } from '@copepod/api/meta';
import type { Clock } from '../clock/index.ts';
import { resourceClient, type Transport } from '../rest/index.ts';

export interface Subject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

export type Recorder = (about: Subject, type: 'Normal' | 'Warning', reason: string, message: string) => void;

const REMEMBERED = 1000;

/** Never rejects and never blocks its caller: an event that cannot be written is given to `onLost`. */
export function createRecorder(options: { readonly transport: Transport; readonly clock: Clock; readonly component: string; readonly onLost: (error: unknown) => void }): Recorder {
  const client = resourceClient(options.transport, EVENT);
  const known = new Map<string, Event>();
  const time = (): string => new Date(options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');

  async function write(key: string, about: Subject, event: Omit<Event, 'apiVersion' | 'kind' | 'metadata' | 'involvedObject'>): Promise<void> {
    const before = known.get(key);
    if (before !== undefined) {
      const count = (before.count ?? 1) + 1;
      const ref = { namespace: before.metadata.namespace, name: before.metadata.name ?? '' };
      const patched = await client.patch(ref, { type: 'merge', body: { count, lastTimestamp: time() } }).catch(() => undefined);
      if (patched !== undefined) {
        known.set(key, patched);
        return;
      }
    }
    const { name = '', namespace = 'default', uid, resourceVersion } = about.metadata;
    const suffix = Math.floor(options.clock.random() * 2 ** 48).toString(16).padStart(12, '0');
    const created = await client.create({
      apiVersion: 'v1', kind: 'Event', metadata: { name: `${name}.${suffix}`, namespace },
      involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace: about.metadata.namespace, uid, resourceVersion },
      ...event, count: 1, firstTimestamp: time(), lastTimestamp: time(), source: { component: options.component }, reportingComponent: options.component, reportingInstance: '',
    });
    known.set(key, created);
    if (known.size > REMEMBERED) for (const oldest of known.keys()) {
      known.delete(oldest);
      break;
    }
  }

  return (about, type, reason, message) => {
    write([about.kind, about.metadata.uid, reason, message].join('/'), about, { type, reason, message }).catch(options.onLost);
  };
}
