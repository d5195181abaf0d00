// The routing table of a node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Node, Service } from '@copepod/api/kinds';
import { planRoutes, TUNNEL_ADDRESS } from './routing-table.ts';

const service = (name: string, spec: object): Service => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec });
const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { name: 'web-0', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
  endpoints: [
    { addresses: ['127.128.0.1'], nodeName: 'here', targetRef: { uid: 'local' }, conditions: { ready: true } },
    { addresses: ['127.128.0.2'], nodeName: 'here', targetRef: { uid: 'going' }, conditions: { ready: true } },
    { addresses: ['127.128.0.3'], nodeName: 'here', targetRef: { uid: 'unready' }, conditions: { ready: false } },
    { addresses: ['127.128.16.1'], nodeName: 'there', targetRef: { uid: 'remote' } },
    { addresses: ['127.128.32.1'], nodeName: 'unknown', targetRef: { uid: 'nowhere' } },
  ],
};
const there: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'there', annotations: { [TUNNEL_ADDRESS]: '10.0.0.2:4000' } } };

test('routes lead to what is ready here and on nodes that can be reached, not to what is withdrawn', () => {
  const services = [service('web', { clusterIP: '127.96.0.9', ports: [{ port: 80, nodePort: 30080 }] }), service('headless', { clusterIP: 'None', ports: [] })];
  const table = planRoutes({ services, slices: [slice], nodes: [there], nodeName: 'here', withdrawn: new Set(['going']) });
  assert.deepEqual(table.services, [
    {
      host: 'web.default.svc.cluster.local', gatewayHost: 'web.default.localhost', clusterIP: '127.96.0.9',
      ports: [{ port: 80, nodePort: 30080, endpoints: [{ workload: 'local' }, { workload: 'remote', node: { address: '10.0.0.2:4000', serverName: 'there.node.copepod' } }] }],
    },
    { host: 'headless.default.svc.cluster.local', gatewayHost: 'headless.default.localhost', ports: [] },
  ]);
});
