// Empties a namespace that is being deleted, then lets it go.

import { isNotFound } from '@copepod/api/errors';
import { NAMESPACE } from '@copepod/api/kinds';
import { objectKey } from '@copepod/api/meta';
import type { Controller } from '../controller.ts';

const AGAIN_MS = 250;

export const namespaceController: Controller = {
  name: 'namespace',
  setUp(context) {
    const namespaces = context.informer(NAMESPACE);
    const client = context.client(NAMESPACE);
    return {
      keys: () => namespaces.store.list().map(objectKey),
      watch(queue) {
        namespaces.onChange(({ key, object }) => {
          if (object.metadata.deletionTimestamp !== undefined) queue.add(key);
        });
      },
      async sync(name) {
        const namespace = namespaces.store.get(name);
        if (namespace?.metadata.deletionTimestamp === undefined) return undefined;
        let left = 0;
        for (const kind of context.kinds) {
          if (!kind.namespaced) continue;
          const objects = context.client(kind);
          await objects.deleteCollection({ namespace: name }, { propagationPolicy: 'Background' });
          const rest = await objects.list({ namespace: name, limit: 1 });
          left += rest.items.length;
        }
        if (left > 0) return { requeueAfterMs: AGAIN_MS };
        const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
        const { resourceVersion: _, ...metadata } = namespace.metadata;
        await client.updateSubresource({ ...namespace, metadata, spec: { ...namespace.spec, finalizers } }, 'finalize').catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
        return undefined;
      },
    };
  },
};
