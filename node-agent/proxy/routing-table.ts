// Services and their EndpointSlices as the routing table of this node. Pure.

import type { EndpointSlice, Node, Service } from '@copepod/api/kinds';
import type { RoutingTable, ServiceRoute } from '../runtime/index.ts';

export const TUNNEL_ADDRESS = 'copepod.dev/tunnel-address';
const SERVICE_LABEL = 'kubernetes.io/service-name';

type Port = ServiceRoute['ports'][number];

export interface ClusterView {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  readonly nodeName: string;
  /** Pod uids that are about to be stopped on this node. */
  readonly withdrawn: ReadonlySet<string>;
}

/** Endpoints that are ready; of other nodes only where the node says how it is reached. */
export function planRoutes(view: ClusterView): RoutingTable {
  const slices = Map.groupBy(view.slices, (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_LABEL] ?? ''}`);
  const tunnels = new Map(view.nodes.flatMap((node) => {
    const address = node.metadata.annotations?.[TUNNEL_ADDRESS];
    return address === undefined ? [] : [[node.metadata.name ?? '', address] as const];
  }));
  const services = view.services.map((service): ServiceRoute => {
    const { name = '', namespace = '' } = service.metadata;
    const endpoints = (slices.get(`${namespace}/${name}`) ?? []).flatMap((slice) => endpointsOf(slice, view, tunnels));
    const { clusterIP } = service.spec ?? {};
    return {
      host: `${name}.${namespace}.svc.cluster.local`, gatewayHost: `${name}.${namespace}.localhost`,
      ...(clusterIP === undefined || clusterIP === 'None' || clusterIP === '' ? {} : { clusterIP }),
      ports: (service.spec?.ports ?? []).map((port): Port => ({ port: port.port, ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort }), endpoints })),
    };
  });
  return { services };
}

function endpointsOf(slice: EndpointSlice, view: ClusterView, tunnels: ReadonlyMap<string, string>): Port['endpoints'] {
  return (slice.endpoints ?? []).flatMap((endpoint) => {
    const workload = endpoint.targetRef?.uid;
    if (workload === undefined || endpoint.conditions?.ready === false || view.withdrawn.has(workload)) return [];
    const { nodeName = '' } = endpoint;
    if (nodeName === view.nodeName) return [{ workload }];
    const address = tunnels.get(nodeName);
    return address === undefined ? [] : [{ workload, node: { address, serverName: `${nodeName}.node.copepod` } }];
  });
}
