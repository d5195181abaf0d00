// Placements on generated clusters.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Node, Pod } from '@copepod/api/kinds';
import { fakeClock } from '@copepod/client/clock';
import { planPlacements } from './plan.ts';
import { PLUGINS } from './plugins/index.ts';
import { Snapshot } from './snapshot/index.ts';

const node = (name: string, rest: { readonly spec?: Node['spec']; readonly labels?: Record<string, string>; readonly ready?: boolean; readonly allocatable?: Record<string, string> } = {}): Node => ({
  apiVersion: 'v1', kind: 'Node', metadata: { name, labels: rest.labels ?? {} }, ...(rest.spec === undefined ? {} : { spec: rest.spec }),
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '110', ...rest.allocatable }, conditions: [{ type: 'Ready', status: rest.ready === false ? 'False' : 'True' }] },
});
const pod = (name: string, spec: Partial<NonNullable<Pod['spec']>> = {}, owner = 'set'): Pod => ({
  apiVersion: 'v1', kind: 'Pod', metadata: { name, uid: name, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] }, spec: { containers: [{ name: 'c' }], ...spec },
});
const asking = (memory: string): Partial<NonNullable<Pod['spec']>> => ({ containers: [{ name: 'c', resources: { requests: { memory } } }] });
const place = (pods: readonly Pod[], nodes: readonly Node[], placed: readonly Pod[] = []): readonly (string | undefined)[] => planPlacements(pods, new Snapshot(nodes, placed), PLUGINS).map((placement) => placement.node);

test('replicas of one owner are spread evenly', () => {
  const placed = place(Array.from({ length: 9 }, (_, index) => pod(`p${index}`)), [node('a'), node('b'), node('c')]);
  for (const name of ['a', 'b', 'c']) assert.equal(placed.filter((where) => where === name).length, 3);
});

test('no pod goes where it may not: not ready, cordoned, tainted, unlabelled, full', () => {
  const nodes = [
    node('sick', { ready: false }), node('cordoned', { spec: { unschedulable: true } }), node('tainted', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } }),
    node('plain', { allocatable: { memory: '64Mi' } }), node('ssd', { labels: { disk: 'ssd' }, allocatable: { memory: '64Mi' } }),
  ];
  assert.deepEqual(place([pod('any')], nodes), ['plain']);
  assert.deepEqual(place([pod('picky', { nodeSelector: { disk: 'ssd' } })], nodes), ['ssd']);
  assert.deepEqual(place([pod('tolerant', { ...asking('128Mi'), tolerations: [{ key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' }] })], nodes), ['tainted']);
  const [refused] = planPlacements([pod('big', asking('128Mi'))], new Snapshot(nodes, []), PLUGINS);
  assert.deepEqual(refused?.node === undefined ? refused?.why : '', "0/5 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were not ready, 1 node(s) were unschedulable, 2 Insufficient memory.");
});

test('on generated clusters no node is ever given more than it has, and no pod is refused that fits', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const clock = fakeClock(0, seed);
    const random = (): number => clock.random();
    const nodes = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, index) => node(`n${index}`, { allocatable: { memory: `${64 + Math.floor(random() * 512)}Mi`, pods: String(1 + Math.floor(random() * 20)) } }));
    const pods = Array.from({ length: Math.floor(random() * 80) }, (_, index) => pod(`p${index}`, asking(`${1 + Math.floor(random() * 64)}Mi`), `set${Math.floor(random() * 3)}`));
    const snapshot = new Snapshot(nodes, []);
    const placements = planPlacements(pods, snapshot, PLUGINS);
    for (const summary of snapshot.nodes) {
      assert.ok(summary.requested.memory <= summary.allocatable.memory, `seed ${seed}`);
      assert.ok(summary.podCount <= summary.allocatable.pods, `seed ${seed}`);
    }
    for (const { pod: refused, node: where } of placements) {
      if (where !== undefined) continue;
      const memory = Number(/\d+/.exec(String(refused.spec?.containers[0]?.resources?.requests?.['memory']))?.[0]) * 2 ** 20;
      assert.ok(snapshot.nodes.every((summary) => summary.podCount >= summary.allocatable.pods || summary.requested.memory + memory > summary.allocatable.memory), `seed ${seed}: ${refused.metadata.name} would have fitted`);
    }
  }
});

test('the same snapshot gives the same plan', () => {
  const pods = Array.from({ length: 20 }, (_, index) => pod(`p${index}`));
  assert.deepEqual(place(pods, [node('b'), node('a')]), place(pods, [node('b'), node('a')]));
});

test('every plugin\'s folder is in the list', () => {
  const folders = readdirSync(join(import.meta.dirname, 'plugins'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
  assert.equal(PLUGINS.length, folders);
});
