// A pod that runs on a node is marked first and removed by its agent, when the instance is gone; one that never ran goes at once.

import type { Pod } from '@copepod/api/kinds';
import type { Strategy } from '../strategy.ts';

export const podStrategy: Strategy = {
  gracePeriod(object, intent) {
    const pod = object as unknown as Pod;
    const placed = pod.spec?.nodeName !== undefined && pod.spec.nodeName !== '';
    if (!placed || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return 0;
    return intent.gracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
  },
};
