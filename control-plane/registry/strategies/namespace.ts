// A namespace stays, Terminating, until its controller has emptied it and taken the finalizer `kubernetes` from its spec.

import type { Namespace } from '@copepod/api/kinds';
import type { Strategy } from '../strategy.ts';

const KEPT = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

export const namespaceStrategy: Strategy = {
  forbidsDeletion: (object) => (KEPT.has(object.metadata.name ?? '') ? 'this namespace may not be deleted' : undefined),
  markDeleted: (object) => ({ ...object, status: { phase: 'Terminating' } }),
  isHeld: (object) => ((object as unknown as Namespace).spec?.finalizers ?? []).length > 0,
};
