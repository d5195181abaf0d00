// The EndpointSlices a Service should have. Pure. An endpoint keeps its slice as long as it can, so that one pod's change rewrites one slice.

import { type Endpoint, type EndpointPort, type EndpointSlice, isPodReady, type Pod, type Service } from '@copepod/api/kinds';

export const SERVICE_LABEL = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
/** Kubernetes' default. */
export const MAX_ENDPOINTS = 100;

export interface SliceContent {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly EndpointPort[];
}

/** `slices`: those this controller made for the service. The result is every slice that should be there, by name. */
export function planEndpointSlices(service: Service, pods: readonly Pod[], slices: readonly EndpointSlice[]): readonly SliceContent[] {
  const wanted = new Map(pods.flatMap((pod) => {
    const endpoint = endpointOf(pod);
    return endpoint === undefined ? [] : [[pod.metadata.uid ?? '', endpoint] as const];
  }));
  const ports = portsOf(service, pods);
  const contents = new Map<string, Endpoint[]>();
  for (const slice of [...slices].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))) {
    const kept: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const uid = endpoint.targetRef?.uid ?? '';
      const now = wanted.get(uid);
      if (now === undefined || kept.length >= MAX_ENDPOINTS) continue;
      kept.push(now);
      wanted.delete(uid);
    }
    contents.set(slice.metadata.name ?? '', kept);
  }
  const free = [...wanted.values()];
  for (const endpoints of contents.values()) endpoints.push(...free.splice(0, MAX_ENDPOINTS - endpoints.length));
  for (let index = 0; free.length > 0; index += 1) {
    const name = `${service.metadata.name}-${index}`;
    if (!contents.has(name)) contents.set(name, free.splice(0, MAX_ENDPOINTS));
  }
  const filled = [...contents].filter(([, endpoints]) => endpoints.length > 0);
  return filled.map(([name, endpoints]) => ({ name, endpoints, ports }));
}

function endpointOf(pod: Pod): Endpoint | undefined {
  const ip = pod.status?.podIP ?? '';
  if (ip === '' || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined;
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isPodReady(pod);
  const { name, namespace, uid } = pod.metadata;
  return {
    addresses: [ip], conditions: { ready: serving && !terminating, serving, terminating },
    nodeName: pod.spec?.nodeName, targetRef: { kind: 'Pod', name, namespace, uid },
  };
}

function portsOf(service: Service, pods: readonly Pod[]): readonly EndpointPort[] {
  return (service.spec?.ports ?? []).map((port) => {
    const { targetPort } = port;
    const named = typeof targetPort === 'string' && !/^\d+$/.test(targetPort)
      ? pods.flatMap((pod) => pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []).find((candidate) => candidate.name === targetPort)?.containerPort : Number(targetPort);
    return { name: port.name ?? '', protocol: port.protocol ?? 'TCP', port: named ?? port.port };
  });
}
