// A namespace stays, Terminating, until its controller has emptied it and taken the finalizer `kubernetes` from its spec.

import type { Namespace } from '@copepod/api/kinds';
import type { Strategy } from '../strategy.ts';

export const namespaceStrategy: Strategy = {
  markDeleted: (object) => ({ ...object, status: { phase: 'Terminating' } }),
  isHeld: (object) => ((object as unknown as Namespace).spec?.finalizers ?? []).length > 0,
};
