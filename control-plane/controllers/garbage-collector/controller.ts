// Deletes what its owners left behind, and sees foreground and orphan deletions through. Works on all kinds alike: a key is
// `<apiVersion>|<kind>|<namespace>|<name>`. An owner is only taken for gone when the API itself says so.

import { isConflict, isNotFound } from '@copepod/api/errors';
import { type AnyKind, findKind } from '@copepod/api/kinds';
import type { KubeObject, OwnerReference } from '@copepod/api/meta';
import type { Controller } from '../controller.ts';

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

export const garbageCollector: Controller = {
  name: 'garbage-collector',
  setUp(context) {
    // Events and leases own nothing and are owned by nothing that matters here; they are the bulk of writes.
    const kinds = context.kinds.filter((kind) => kind.kind !== 'Event' && kind.kind !== 'Lease');
    const informers = new Map(kinds.map((kind) => [kind, context.informer<KubeObject>(kind)]));
    const keyOf = (kind: AnyKind, object: KubeObject): string => [kind.apiVersion, kind.kind, object.metadata.namespace ?? '', object.metadata.name ?? ''].join('|');

    function dependentsOf(uid: string): readonly { readonly kind: AnyKind; readonly object: KubeObject }[] {
      return [...informers].flatMap(([kind, informer]) => informer.store.byIndex('owner', uid).map((object) => ({ kind, object })));
    }

    async function isGone(namespace: string | undefined, owner: OwnerReference): Promise<boolean> {
      const kind = findKind(owner.apiVersion, owner.kind);
      if (kind === undefined) return false;
      const informer = informers.get(kind);
      const cached = informer?.store.get(kind.namespaced ? `${namespace}/${owner.name}` : owner.name);
      if (cached?.metadata.uid === owner.uid) return false;
      const live = await context.client(kind).find({ namespace: kind.namespaced ? namespace : undefined, name: owner.name });
      return live?.metadata.uid !== owner.uid;
    }

    async function withoutFinalizer(kind: AnyKind, object: KubeObject, finalizer: string): Promise<void> {
      const finalizers = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer);
      await context.client(kind).patch({ namespace: object.metadata.namespace, name: object.metadata.name ?? '' }, { type: 'merge', body: { metadata: { resourceVersion: object.metadata.resourceVersion, finalizers } } });
    }

    async function finish(kind: AnyKind, object: KubeObject): Promise<boolean> {
      const finalizers = object.metadata.finalizers ?? [];
      const uid = object.metadata.uid ?? '';
      if (finalizers.includes(ORPHAN)) {
        for (const { kind: dependentKind, object: dependent } of dependentsOf(uid)) {
          const ownerReferences = (dependent.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
          await context.client(dependentKind).patch({ namespace: dependent.metadata.namespace, name: dependent.metadata.name ?? '' }, { type: 'merge', body: { metadata: { resourceVersion: dependent.metadata.resourceVersion, ownerReferences } } });
        }
        await withoutFinalizer(kind, object, ORPHAN);
        return true;
      }
      if (!finalizers.includes(FOREGROUND)) return false;
      const dependents = dependentsOf(uid);
      for (const { kind: dependentKind, object: dependent } of dependents) {
        if (dependent.metadata.deletionTimestamp === undefined) await remove(dependentKind, dependent, 'Foreground');
      }
      const blocking = dependents.filter(({ object: dependent }) => dependent.metadata.ownerReferences?.some((reference) => reference.uid === uid && reference.blockOwnerDeletion === true));
      if (blocking.length === 0) await withoutFinalizer(kind, object, FOREGROUND);
      return true;
    }

    async function remove(kind: AnyKind, object: KubeObject, propagationPolicy: 'Background' | 'Foreground'): Promise<void> {
      await context.client(kind).delete({ namespace: object.metadata.namespace, name: object.metadata.name ?? '' }, { propagationPolicy, preconditions: { uid: object.metadata.uid ?? '' } }).catch((error: unknown) => {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      });
    }

    return {
      concurrency: 16,
      keys: () => [...informers].flatMap(([kind, informer]) => informer.store.list().filter((object) => (object.metadata.ownerReferences ?? []).length > 0 || object.metadata.deletionTimestamp !== undefined).map((object) => keyOf(kind, object))),
      watch(queue) {
        for (const [kind, informer] of informers) {
          informer.onChange(({ type, object, previous }) => {
            if (type === 'deleted') {
              for (const { kind: dependentKind, object: dependent } of dependentsOf(object.metadata.uid ?? '')) queue.add(keyOf(dependentKind, dependent));
              // An owner in foreground deletion may have waited for this one.
              for (const owner of object.metadata.ownerReferences ?? []) queue.add([owner.apiVersion, owner.kind, object.metadata.namespace ?? '', owner.name].join('|'));
            } else if (object.metadata.deletionTimestamp !== undefined || (previous === undefined && (object.metadata.ownerReferences ?? []).length > 0)) {
              queue.add(keyOf(kind, object));
            }
          });
        }
      },
      async sync(key) {
        const [apiVersion = '', name = '', namespace = '', objectName = ''] = key.split('|');
        const kind = findKind(apiVersion, name);
        const object = kind === undefined ? undefined : informers.get(kind)?.store.get(kind.namespaced ? `${namespace}/${objectName}` : objectName);
        if (kind === undefined || object === undefined) return;
        if (object.metadata.deletionTimestamp !== undefined) {
          await finish(kind, object);
          return;
        }
        const owners = object.metadata.ownerReferences ?? [];
        if (owners.length === 0) return;
        const gone = await Promise.all(owners.map((owner) => isGone(object.metadata.namespace, owner)));
        if (gone.every(Boolean)) await remove(kind, object, 'Background');
      },
    };
  },
};
