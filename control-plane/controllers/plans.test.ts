// The smaller plans: endpoint slices, nodes, and that every controller is in the map with a name of its own.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { EndpointSlice, Lease, Node, Pod, Service } from '@copepod/api/kinds';
import { planEndpointSlices } from './endpoint-slice/plan.ts';
import { CONTROLLERS } from './index.ts';
import { freePodCidr, planNode, UNREACHABLE } from './node-lifecycle/plan.ts';

const NOW = 1_700_000_000_000;
const service: Service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' }, spec: { ports: [{ name: 'http', port: 80, targetPort: 'web' }] } };
const pod = (uid: string, ready = true): Pod => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name: uid, uid, namespace: 'default' }, spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }] },
  status: { podIP: `127.128.0.${uid}`, phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});
const asSlices = (planned: ReturnType<typeof planEndpointSlices>): EndpointSlice[] => planned.map(({ name, endpoints, ports }) => ({ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4', metadata: { name }, endpoints, ports }));

test('slices hold at most a hundred endpoints, and one pod\'s change rewrites one slice', () => {
  const pods = Array.from({ length: 250 }, (_, index) => pod(String(index + 1)));
  const first = planEndpointSlices(service, pods, []);
  assert.deepEqual(first.map((slice) => slice.endpoints.length), [100, 100, 50]);
  assert.deepEqual(first[0]?.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  const changed = pods.map((known, index) => (index === 120 ? pod(known.metadata.uid ?? '', false) : known)).filter((_, index) => index !== 130);
  const second = planEndpointSlices(service, changed, asSlices(first));
  const rewritten = second.filter((slice, index) => JSON.stringify(slice) !== JSON.stringify(first[index]));
  assert.deepEqual(rewritten.map((slice) => slice.name), ['web-1']);
  assert.deepEqual(planEndpointSlices(service, [], asSlices(second)), []);
});

test('a pod that is going serves still, but is ready no more', () => {
  const going = pod('1');
  const [slice] = planEndpointSlices(service, [{ ...going, metadata: { ...going.metadata, deletionTimestamp: 'now' } }], []);
  assert.deepEqual(slice?.endpoints[0]?.conditions, { ready: false, serving: true, terminating: true });
});

const node = (conditions: NonNullable<Node['status']>['conditions'] = [{ type: 'Ready', status: 'True' }], taints: NonNullable<Node['spec']>['taints'] = []): Node => ({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', creationTimestamp: new Date(NOW - 3_600_000).toISOString() }, spec: { taints }, status: { conditions } });
const lease = (agoMs: number): Lease => ({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'n1' }, spec: { renewTime: new Date(NOW - agoMs).toISOString() } });
const patience = { graceMs: 8000, evictionMs: 4000 };

test('a node that is heard of is left alone, and looked at when it would be silent', () => {
  const plan = planNode(node(), lease(2000), NOW, patience);
  assert.deepEqual([plan.silent, plan.evict, plan.conditions, plan.taints, plan.recheckAfterMs], [false, false, undefined, undefined, 6050]);
});

test('a silent node is marked and tainted, later its pods are given up, and a heartbeat takes the taint away', () => {
  const silent = planNode(node(), lease(9000), NOW, patience);
  assert.deepEqual([silent.conditions?.at(-1)?.status, silent.taints?.[0]?.key, silent.evict], ['Unknown', UNREACHABLE, false]);
  const marked = node(silent.conditions, silent.taints);
  assert.deepEqual([planNode(marked, lease(13_000), NOW, patience).evict, planNode(marked, lease(13_000), NOW, patience).conditions], [true, undefined]);
  assert.deepEqual(planNode(marked, lease(1000), NOW, patience).taints, []);
});

test('a node that never sent a heartbeat is judged by its age', () => {
  assert.equal(planNode(node(), undefined, NOW, patience).evict, true);
});

test('blocks of pod addresses are handed out one after the other, and never twice', () => {
  assert.equal(freePodCidr(new Set()), '127.128.0.0/20');
  assert.equal(freePodCidr(new Set(['127.128.0.0/20', '127.128.32.0/20'])), '127.128.16.0/20');
});

test('every controller\'s folder is in the map', () => {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  assert.deepEqual(CONTROLLERS.map((controller) => controller.name).sort(), folders);
});
