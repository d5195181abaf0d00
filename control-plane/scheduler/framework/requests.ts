// What a pod's containers ask for together. A limit stands in for a request that was left out, as in Kubernetes.

import type { Pod } from '@copepod/api/kinds';
import { parseQuantity } from '@copepod/api/meta';
import type { Request } from './plugin.ts';

export function requestOf(pod: Pod): Request {
  let [cpu, memory] = [0, 0];
  for (const { resources } of pod.spec?.containers ?? []) {
    cpu += parseQuantity(resources?.requests?.['cpu'] ?? resources?.limits?.['cpu'] ?? '0') ?? 0;
    // A limit bounds one instance, and an idle replica holds none: only what is asked for is set aside.
    memory += parseQuantity(resources?.requests?.['memory'] ?? '0') ?? 0;
  }
  return { cpu, memory };
}
