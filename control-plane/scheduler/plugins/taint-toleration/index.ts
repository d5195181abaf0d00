// A taint keeps away every pod that does not tolerate it.
import type { Taint, Toleration } from '@copepod/api/kinds';
import type { Plugin } from '../../framework/index.ts';

export const taintToleration: Plugin = {
  name: 'TaintToleration',
  filter: (pod, { node }) => {
    const tolerations = pod.spec?.tolerations ?? [];
    const hard = (node.spec?.taints ?? []).find((taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)));
    return hard === undefined ? undefined : `node(s) had untolerated taint {${hard.key}: ${hard.value ?? ''}}`;
  },
};

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
  const exists = toleration.operator === 'Exists';
  if (toleration.key === undefined || toleration.key === '') return exists;
  return toleration.key === taint.key && (exists || (toleration.value ?? '') === (taint.value ?? ''));
}
