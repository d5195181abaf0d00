// Events are news, not records: what was last seen an hour ago is removed, as Kubernetes' API server does with its event TTL.

import { isNotFound } from '@copepod/api/errors';
import { EVENT, type Event } from '@copepod/api/kinds';
import { objectKey, splitObjectKey } from '@copepod/api/meta';
import type { Controller } from '../controller.ts';

const TTL_MS = 3_600_000;

export const eventExpiryController: Controller = {
  name: 'event-expiry',
  setUp(context) {
    const events = context.informer(EVENT);
    const client = context.client(EVENT);
    const lastSeen = (event: Event): number => Date.parse(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? '');
    const isOld = (event: Event): boolean => context.clock.now() - lastSeen(event) > TTL_MS;
    return {
      resyncMs: 60_000,
      keys: () => events.store.list().filter(isOld).map(objectKey),
      watch: () => {},
      async sync(key) {
        const event = events.store.get(key);
        if (event === undefined || !isOld(event)) return;
        const { namespace, name } = splitObjectKey(key);
        await client.delete({ namespace, name }).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
      },
    };
  },
};
