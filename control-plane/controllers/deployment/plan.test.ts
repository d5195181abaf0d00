// A rolling update on generated clusters: whatever the sizes and limits, and in whatever order pods become ready, it never breaks its
// budget and always arrives.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Deployment, DEPLOYMENT, type ReplicaSet } from '@copepod/api/kinds';
import { fakeClock } from '@copepod/client/clock';
import { type DeploymentPlan, HASH_LABEL, planDeployment, resolveLimits, REVISION, sameTemplate, templateHash } from './plan.ts';

const NOW = 1_700_000_000_000;

function deployment(spec: object, image = 'web:1'): Deployment {
  return DEPLOYMENT.defaults({
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default', uid: 'd', generation: 1 },
    spec: { selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } }, ...spec },
  });
}

/** The world a plan acts on: sets whose pods come and become ready as chance will have it. */
class World {
  sets: ReplicaSet[] = [];
  deployment: Deployment;
  #made = 0;

  constructor(first: Deployment) {
    this.deployment = first;
  }

  apply(plan: DeploymentPlan): void {
    if (plan.create !== undefined) {
      this.#made += 1;
      const { template } = this.deployment.spec;
      this.sets.push({
        apiVersion: 'apps/v1', kind: 'ReplicaSet',
        metadata: { name: `web-${plan.create.hash}`, uid: `s${this.#made}`, creationTimestamp: new Date(NOW + this.#made * 1000).toISOString(), annotations: { [REVISION]: String(plan.create.revision) } },
        spec: { replicas: plan.create.replicas, selector: {}, template: { ...template, metadata: { labels: { ...template.metadata?.labels, [HASH_LABEL]: plan.create.hash } } } },
        status: { replicas: 0, readyReplicas: 0, availableReplicas: 0 },
      });
    }
    for (const { set, replicas } of plan.scale) this.#change(set, { spec: { ...(set.spec ?? { selector: {} }), replicas } });
    if (plan.revise !== undefined) this.#change(plan.revise.set, { metadata: { ...plan.revise.set.metadata, annotations: { [REVISION]: String(plan.revise.revision) } } });
    this.sets = this.sets.filter((set) => !plan.remove.some((gone) => gone.metadata.uid === set.metadata.uid));
    this.deployment = { ...this.deployment, status: plan.status };
  }

  /** One step of nature: a set's pods follow its size, some of them become ready. */
  step(random: () => number, broken: (set: ReplicaSet) => boolean): void {
    this.sets = this.sets.map((set) => {
      const replicas = set.spec?.replicas ?? 0;
      const ready = broken(set) ? 0 : Math.min(replicas, (set.status?.availableReplicas ?? 0) + Math.floor(random() * 3));
      return { ...set, status: { replicas, readyReplicas: ready, availableReplicas: ready } };
    });
  }

  #change(set: ReplicaSet, part: Partial<ReplicaSet>): void {
    this.sets = this.sets.map((known) => (known.metadata.uid === set.metadata.uid ? { ...known, ...part } : known));
  }

  total(field: 'spec' | 'available'): number {
    return this.sets.reduce((sum, set) => sum + (field === 'spec' ? set.spec?.replicas ?? 0 : set.status?.availableReplicas ?? 0), 0);
  }
}

test('a rolling update keeps its budget and arrives, whatever the order pods become ready in', () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const clock = fakeClock(NOW, seed);
    const random = (): number => clock.random();
    const replicas = 1 + Math.floor(random() * 12);
    const limit = (): number | string => (random() < 0.5 ? Math.floor(random() * 4) : `${Math.floor(random() * 60)}%`);
    const rollingUpdate = { maxSurge: limit(), maxUnavailable: limit() };
    const world = new World(deployment({ replicas, strategy: { type: 'RollingUpdate', rollingUpdate } }));
    for (let round = 0; round < 30; round += 1) {
      world.apply(planDeployment(world.deployment, world.sets, NOW));
      world.step(() => 0.99, () => false);
    }
    assert.equal(world.total('available'), replicas);
    world.deployment = { ...deployment({ replicas, strategy: { type: 'RollingUpdate', rollingUpdate } }, 'web:2'), status: world.deployment.status };
    const { maxSurge, maxUnavailable } = resolveLimits(world.deployment);
    for (let round = 0; round < 300; round += 1) {
      world.apply(planDeployment(world.deployment, world.sets, NOW));
      const label = `seed ${seed}, ${replicas} replicas, ${JSON.stringify(rollingUpdate)}`;
      assert.ok(world.total('spec') <= replicas + maxSurge, `too many: ${label}`);
      // What was asked to go is gone at once: the available ones are those the sizes still allow.
      const available = world.sets.reduce((sum, set) => sum + Math.min(set.status?.availableReplicas ?? 0, set.spec?.replicas ?? 0), 0);
      assert.ok(available >= replicas - maxUnavailable, `too few: ${label}`);
      world.step(random, () => false);
    }
    const newest = world.sets.find((set) => sameTemplate(set.spec?.template, world.deployment.spec.template));
    assert.deepEqual([newest?.spec?.replicas, world.total('spec'), newest?.status?.availableReplicas], [replicas, replicas, replicas]);
    assert.equal(world.deployment.status?.conditions?.find((condition) => condition.type === 'Progressing')?.reason, 'NewReplicaSetAvailable');
  }
});

test('a template that never becomes ready stops the rollout within its budget, and the deadline is told', () => {
  const world = new World(deployment({ replicas: 10 }));
  for (let round = 0; round < 20; round += 1) {
    world.apply(planDeployment(world.deployment, world.sets, NOW));
    world.step(() => 0.99, () => false);
  }
  const first = world.sets[0]?.metadata.uid;
  world.deployment = { ...deployment({ replicas: 10, progressDeadlineSeconds: 60 }, 'broken:1'), status: world.deployment.status };
  for (let round = 0; round < 50; round += 1) {
    world.apply(planDeployment(world.deployment, world.sets, NOW + round * 1000));
    world.step(() => 0.99, (set) => set.metadata.uid !== first);
  }
  assert.ok(world.total('available') >= 8);
  const late = planDeployment(world.deployment, world.sets, NOW + 200_000);
  assert.equal(late.status.conditions?.find((condition) => condition.type === 'Progressing')?.reason, 'ProgressDeadlineExceeded');
});

test('Recreate starts nothing new before the old is gone', () => {
  const world = new World(deployment({ replicas: 3, strategy: { type: 'Recreate' } }));
  for (let round = 0; round < 10; round += 1) {
    world.apply(planDeployment(world.deployment, world.sets, NOW));
    world.step(() => 0.99, () => false);
  }
  world.deployment = deployment({ replicas: 3, strategy: { type: 'Recreate' } }, 'web:2');
  for (let round = 0; round < 20; round += 1) {
    const plan = planDeployment(world.deployment, world.sets, NOW);
    if (plan.create !== undefined) assert.equal(world.sets.reduce((sum, set) => sum + (set.status?.replicas ?? 0), 0), 0);
    world.apply(plan);
    world.step(() => 0.99, () => false);
  }
  assert.equal(world.total('available'), 3);
});

test('a paused deployment rolls nothing out, but follows its size', () => {
  const world = new World(deployment({ replicas: 2 }));
  for (let round = 0; round < 10; round += 1) {
    world.apply(planDeployment(world.deployment, world.sets, NOW));
    world.step(() => 0.99, () => false);
  }
  world.deployment = deployment({ replicas: 5, paused: true }, 'web:2');
  const plan = planDeployment(world.deployment, world.sets, NOW);
  assert.equal(plan.create, undefined);
  assert.deepEqual(plan.scale.map(({ replicas }) => replicas), [5]);
});

test('a hash depends on the template alone, not on the order of its keys, and collisions change it', () => {
  const a = { metadata: { labels: { x: '1', y: '2' } } };
  const b = { metadata: { labels: { y: '2', x: '1' } } };
  assert.equal(templateHash(a, 0), templateHash(b, 0));
  assert.notEqual(templateHash(a, 0), templateHash(a, 1));
});

test('old sets beyond the history are removed, oldest revisions first', () => {
  const set = (revision: number): ReplicaSet => ({ apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: `r${revision}`, uid: `${revision}`, annotations: { [REVISION]: String(revision) } }, spec: { replicas: 0, selector: {}, template: { metadata: { labels: { app: `old${revision}` } } } }, status: { replicas: 0 } });
  const plan = planDeployment(deployment({ replicas: 0, revisionHistoryLimit: 2 }), [set(3), set(1), set(4), set(2)], NOW);
  assert.deepEqual(plan.remove.map((gone) => gone.metadata.name), ['r1', 'r2']);
});
