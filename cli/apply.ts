// Makes the cluster have what a manifest says, as `kubectl apply` does: the last applied manifest is kept in an annotation, so that what
// it no longer says can be taken back.

import { isAlreadyExists } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import type { KubeObject } from '@copepod/api/meta';
import { createApplyPatch } from '@copepod/api/patch';
import { resourceClient, type Transport } from '@copepod/client/rest';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

export type Applied = 'created' | 'configured' | 'unchanged';

export async function applyObject(transport: Transport, kind: AnyKind, object: KubeObject, options: { readonly dryRun?: boolean } = {}): Promise<Applied> {
  const client = resourceClient(transport, kind);
  const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations ?? {};
  const plain: KubeObject = { ...object, metadata: { ...object.metadata, annotations } };
  const wanted: KubeObject = { ...plain, metadata: { ...plain.metadata, annotations: { ...annotations, [LAST_APPLIED]: `${JSON.stringify(plain)}\n` } } };
  const ref = { namespace: object.metadata.namespace, name: object.metadata.name ?? '' };
  const write = { fieldValidation: 'Strict', fieldManager: 'copepod', dryRun: options.dryRun } as const;
  const current = await client.find(ref);
  if (current === undefined) {
    try {
      await client.create(wanted, write);
      return 'created';
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
  const last = JSON.parse(current?.metadata.annotations?.[LAST_APPLIED] ?? '{}') as unknown;
  const patched = await client.patch(ref, { type: 'strategic', body: createApplyPatch(kind.struct, last, wanted) }, write);
  return patched.metadata.resourceVersion === current?.metadata.resourceVersion ? 'unchanged' : 'configured';
}
