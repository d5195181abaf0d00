// Replicas of one owner go apart: a node that holds fewer of them is better.
import { getControllerOf } from '@copepod/api/meta';
import type { Plugin } from '../../framework/index.ts';

export const podSpread: Plugin = {
  name: 'PodSpread',
  weight: 2,
  score: (pod, { byOwner }) => 1 / (1 + (byOwner.get(getControllerOf(pod)?.uid ?? '') ?? 0)),
};
