// What a Deployment should do now: which ReplicaSet is the newest, how large each may be, what the status says. Pure.
// The arithmetic of a rolling update is Kubernetes' own (pkg/controller/deployment/rolling.go and util/deployment_util.go).

import type { Deployment, DeploymentCondition, DeploymentStatus, PodTemplateSpec, ReplicaSet } from '@copepod/api/kinds';
import { isRecord } from '@copepod/api/meta';

export const HASH_LABEL = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';

export interface DeploymentPlan {
  /** The set to make when none has the newest template. */
  readonly create: { readonly hash: string; readonly replicas: number; readonly revision: number } | undefined;
  readonly scale: readonly { readonly set: ReplicaSet; readonly replicas: number }[];
  /** The newest set gets the highest revision, also when it is an old one taken up again. */
  readonly revise: { readonly set: ReplicaSet; readonly revision: number } | undefined;
  readonly remove: readonly ReplicaSet[];
  readonly revision: number;
  readonly status: DeploymentStatus;
  /** When the progress deadline will have to be judged again, milliseconds from now. */
  readonly recheckAfterMs: number | undefined;
}

/** `sets`: those the deployment controls. `now`: milliseconds. */
export function planDeployment(deployment: Deployment, sets: readonly ReplicaSet[], now: number): DeploymentPlan {
  const { spec } = deployment;
  const wanted = spec.replicas ?? 1;
  const byAge = [...sets].sort((a, b) => createdAt(a) - createdAt(b));
  const newest = byAge.find((set) => sameTemplate(set.spec?.template, spec.template));
  const old = byAge.filter((set) => set !== newest);
  const highest = Math.max(0, ...sets.map(revisionOf));
  const limits = resolveLimits(deployment);
  const hash = templateHash(spec.template, deployment.status?.collisionCount ?? 0);
  const paused = spec.paused === true;
  const recreate = spec.strategy?.type === 'Recreate';
  const oldRunning = old.some((set) => (set.status?.replicas ?? 0) > 0 || (set.spec?.replicas ?? 0) > 0);

  const create = newest === undefined && !paused && !(recreate && oldRunning)
    ? { hash, revision: highest + 1, replicas: recreate ? wanted : newReplicas(wanted, 0, total(old), limits.maxSurge) } : undefined;
  const newestRevision = newest === undefined ? undefined : old.every((set) => revisionOf(set) < revisionOf(newest)) && revisionOf(newest) > 0 ? revisionOf(newest) : highest + 1;
  const scale = paused ? scalePaused(wanted, newest, old) : recreate ? scaleRecreate(wanted, newest, old, oldRunning) : scaleRolling(wanted, newest, old, limits);
  const keep = spec.revisionHistoryLimit ?? 10;
  const idle = old.filter((set) => (set.spec?.replicas ?? 0) === 0 && (set.status?.replicas ?? 0) === 0 && set.metadata.deletionTimestamp === undefined);
  const status = statusOf(deployment, newest, sets, limits, now, create !== undefined || scale.length > 0);
  return {
    create,
    scale,
    revise: newest !== undefined && newestRevision !== undefined && newestRevision !== revisionOf(newest) ? { set: newest, revision: newestRevision } : undefined,
    remove: [...idle].sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, idle.length - keep)),
    revision: newestRevision ?? create?.revision ?? highest,
    status: status.status,
    recheckAfterMs: status.recheckAfterMs,
  };
}

interface Limits {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** Percentages: surge rounded up, unavailable rounded down; both zero would block every rollout, so one may then be missing. */
export function resolveLimits({ spec }: Deployment): Limits {
  const wanted = spec.replicas ?? 1;
  const rolling = spec.strategy?.rollingUpdate;
  const resolve = (value: number | string | undefined, round: (n: number) => number): number => {
    const text = value ?? '25%';
    return typeof text === 'number' ? text : text.endsWith('%') ? round((Number.parseInt(text, 10) * wanted) / 100) : Number.parseInt(text, 10);
  };
  const maxSurge = resolve(rolling?.maxSurge, Math.ceil);
  const maxUnavailable = resolve(rolling?.maxUnavailable, Math.floor);
  return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable };
}

const total = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0);
const availableOf = (set: ReplicaSet | undefined): number => set?.status?.availableReplicas ?? 0;
const createdAt = (set: ReplicaSet): number => Date.parse(set.metadata.creationTimestamp ?? '') || 0;

export function revisionOf(set: { readonly metadata: { readonly annotations?: Readonly<Record<string, string>> | undefined } }): number {
  return Number.parseInt(set.metadata.annotations?.[REVISION] ?? '0', 10) || 0;
}

function newReplicas(wanted: number, current: number, others: number, maxSurge: number): number {
  return Math.max(current, Math.min(wanted, wanted + maxSurge - others));
}

function scaleRolling(wanted: number, newest: ReplicaSet | undefined, old: readonly ReplicaSet[], limits: Limits): DeploymentPlan['scale'] {
  if (newest === undefined) return [];
  const changes: { set: ReplicaSet; replicas: number }[] = [];
  const current = newest.spec?.replicas ?? 0;
  const grown = current > wanted ? wanted : newReplicas(wanted, current, total(old), limits.maxSurge);
  if (grown !== current) changes.push({ set: newest, replicas: grown });
  // What may be taken from the old: all there are, less what must stay available, less what of the new is not available yet.
  const minAvailable = wanted - limits.maxUnavailable;
  let spare = current + total(old) - minAvailable - (current - availableOf(newest));
  const shrunk = new Map<ReplicaSet, number>();
  for (const set of old) {
    // Unavailable pods of old sets serve nobody and go first.
    const size = set.spec?.replicas ?? 0;
    const dead = Math.min(Math.max(size - availableOf(set), 0), Math.max(spare, 0));
    shrunk.set(set, size - dead);
    spare -= dead;
  }
  const available = old.reduce((sum, set) => sum + availableOf(set), 0) + availableOf(newest);
  let surplus = Math.min(Math.max(available - minAvailable, 0), Math.max(spare, 0));
  for (const set of old) {
    const size = shrunk.get(set) ?? 0;
    const less = Math.min(size, surplus);
    shrunk.set(set, size - less);
    surplus -= less;
  }
  for (const [set, replicas] of shrunk) if (replicas !== (set.spec?.replicas ?? 0)) changes.push({ set, replicas });
  return changes;
}

function scaleRecreate(wanted: number, newest: ReplicaSet | undefined, old: readonly ReplicaSet[], oldRunning: boolean): DeploymentPlan['scale'] {
  const down = old.filter((set) => (set.spec?.replicas ?? 0) > 0).map((set) => ({ set, replicas: 0 }));
  if (newest === undefined || oldRunning) return down;
  return (newest.spec?.replicas ?? 0) === wanted ? down : [...down, { set: newest, replicas: wanted }];
}

/** While paused no template is rolled out, but the size is still followed by the set that runs. */
function scalePaused(wanted: number, newest: ReplicaSet | undefined, old: readonly ReplicaSet[]): DeploymentPlan['scale'] {
  const active = [...(newest === undefined ? [] : [newest]), ...old].filter((set) => (set.spec?.replicas ?? 0) > 0);
  const [only] = active;
  return active.length === 1 && only !== undefined && only.spec?.replicas !== wanted ? [{ set: only, replicas: wanted }] : [];
}

function statusOf(deployment: Deployment, newest: ReplicaSet | undefined, sets: readonly ReplicaSet[], limits: Limits, now: number, acting: boolean): { readonly status: DeploymentStatus; readonly recheckAfterMs: number | undefined } {
  const wanted = deployment.spec.replicas ?? 1;
  const sum = (field: 'replicas' | 'readyReplicas' | 'availableReplicas'): number => sets.reduce((count, set) => count + (set.status?.[field] ?? 0), 0);
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 1, replicas: sum('replicas'), updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: sum('readyReplicas'), availableReplicas: sum('availableReplicas'), unavailableReplicas: Math.max(0, wanted - sum('availableReplicas')),
  };
  const before = deployment.status;
  const known = (type: string): DeploymentCondition | undefined => before?.conditions?.find((condition) => condition.type === type);
  const enough = counts.availableReplicas >= wanted - limits.maxUnavailable;
  const available = condition(known('Available'), now, {
    type: 'Available', status: enough ? 'True' : 'False', reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
  });
  const complete = newest !== undefined && counts.updatedReplicas === wanted && counts.replicas === wanted && counts.availableReplicas >= wanted && !acting;
  const progressed = acting || (['updatedReplicas', 'readyReplicas', 'availableReplicas'] as const).some((field) => counts[field] !== (before?.[field] ?? 0));
  const last = known('Progressing');
  const deadline = (deployment.spec.progressDeadlineSeconds ?? 600) * 1000;
  const since = now - Date.parse(last?.lastUpdateTime ?? new Date(now).toISOString());
  const late = !complete && !progressed && last?.reason !== 'NewReplicaSetAvailable' && since > deadline && deployment.spec.paused !== true;
  const name = `ReplicaSet "${newest?.metadata.name ?? ''}"`;
  const progressing = late
    ? condition(last, now, { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: `${name} has timed out progressing.` })
    : complete
      ? condition(last, now, { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: `${name} has successfully progressed.` })
      : condition(last, now, { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${name} is progressing.` }, progressed);
  return {
    status: { ...counts, ...(before?.collisionCount === undefined ? {} : { collisionCount: before.collisionCount }), conditions: [available, progressing] },
    recheckAfterMs: complete || late ? undefined : Math.max(1000, deadline - since + 1000),
  };
}

/** Times move only with what they are the times of, so that an unchanged status is written no second time. */
function condition(before: DeploymentCondition | undefined, now: number, next: DeploymentCondition, touch = false): DeploymentCondition {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  if (before !== undefined && before.status === next.status && before.reason === next.reason && before.message === next.message && !touch) return before;
  return { ...next, lastUpdateTime: time, lastTransitionTime: before?.status === next.status ? before?.lastTransitionTime ?? time : time };
}

/** Whether two templates are the same but for the hash label the controller itself adds. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec): boolean {
  return canonical(withoutHash(a)) === canonical(withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  if (template?.metadata?.labels === undefined) return template;
  const { [HASH_LABEL]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** JSON with its keys in order; undefined fields are left out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (isRecord(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item)) ?? '';
}

const HASH_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** FNV-1a (32 bit) of the template, in letters that spell no words. */
export function templateHash(template: PodTemplateSpec, collisions: number): string {
  let hash = 0x811c9dc5;
  for (const character of `${canonical(template)}${collisions}`) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  let text = '';
  for (let rest = hash; text.length < 10 && (rest > 0 || text === ''); rest = Math.floor(rest / HASH_LETTERS.length)) text += HASH_LETTERS[rest % HASH_LETTERS.length];
  return text;
}
