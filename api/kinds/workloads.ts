// Deployment and ReplicaSet: replicated pods made from a template.

import { type FieldError, forbiddenField, invalidField, requiredField, unsupportedField } from '../errors/index.ts';
import { GUEST_ANNOTATIONS, readGuestAnnotations } from '../guest/index.ts';
import { formatLabelSelector, labelMatcher, matchesLabels } from '../meta/index.ts';
import { type Cell, cell, type Kind } from './kind.ts';
import { defaultPodSpec, validatePodSpec } from './pod.ts';
import type { Deployment, DeploymentSpec, PodTemplateSpec, ReplicaSet } from './types.generated.ts';

function defaultTemplate(template: PodTemplateSpec): PodTemplateSpec {
  return template.spec === undefined ? template : { ...template, spec: defaultPodSpec(template.spec) };
}

interface Replicated {
  readonly replicas?: number | undefined;
  readonly minReadySeconds?: number | undefined;
  readonly selector: Deployment['spec']['selector'];
  readonly template?: PodTemplateSpec | undefined;
}

function validateReplicated(spec: Replicated): readonly FieldError[] {
  const errors: FieldError[] = [];
  if ((spec.replicas ?? 0) < 0) errors.push(invalidField('spec.replicas', spec.replicas, 'must be greater than or equal to 0'));
  if ((spec.minReadySeconds ?? 0) < 0) errors.push(invalidField('spec.minReadySeconds', spec.minReadySeconds, 'must be greater than or equal to 0'));
  const matcher = labelMatcher(spec.selector) ?? [];
  if (matcher.length === 0) errors.push(invalidField('spec.selector', spec.selector, 'empty selector is invalid for a workload'));
  else if (!matchesLabels(matcher, spec.template?.metadata?.labels)) errors.push(invalidField('spec.template.metadata.labels', spec.template?.metadata?.labels, '`selector` does not match template `labels`'));
  errors.push(...readGuestAnnotations(spec.template?.metadata?.annotations, 'spec.template.metadata.annotations').errors);
  if (spec.template?.spec === undefined) errors.push(requiredField('spec.template.spec'));
  else errors.push(...validatePodSpec(spec.template.spec, 'spec.template.spec', ['Always']));
  return errors;
}

/** What a guest is to have is said where its pods are described; on the workload itself it would mean nothing. */
function misplacedAnnotations(annotations: Readonly<Record<string, string>> | undefined): readonly FieldError[] {
  return GUEST_ANNOTATIONS.filter((name) => annotations?.[name] !== undefined)
    .map((name) => forbiddenField(`metadata.annotations[${name}]`, 'is about pods: write it under spec.template.metadata.annotations'));
}

function immutableSelector(after: Replicated, before: Replicated): readonly FieldError[] {
  return JSON.stringify(after.selector) === JSON.stringify(before.selector) ? [] : [invalidField('spec.selector', after.selector, 'field is immutable')];
}

function wideColumns<T extends { readonly spec?: Replicated | undefined }>(): readonly Cell<T>[] {
  const containers = (object: T): Replicated['template'] => object.spec?.template;
  return [
    cell('Containers', (object) => (containers(object)?.spec?.containers ?? []).map((container) => container.name).join(','), { wide: true, description: 'Names of the containers' }),
    cell('Images', (object) => (containers(object)?.spec?.containers ?? []).map((container) => container.image ?? '').join(','), { wide: true, description: 'Components they run' }),
    cell('Selector', (object) => formatLabelSelector(labelMatcher(object.spec?.selector) ?? []), { wide: true, description: 'Which pods are theirs' }),
  ];
}

export const DEPLOYMENT: Kind<Deployment> = {
  apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', singular: 'deployment', namespaced: true, shortNames: ['deploy'], categories: ['all'],
  subresources: ['status', 'scale'], struct: 'apps.v1.Deployment', selectableFields: [],
  columns: [
    cell('Ready', (deployment) => `${deployment.status?.readyReplicas ?? 0}/${deployment.spec.replicas ?? 0}`, { description: 'Ready pods of those wanted' }),
    cell('Up-to-date', (deployment) => deployment.status?.updatedReplicas ?? 0, { type: 'integer', description: 'Pods of the newest template' }),
    cell('Available', (deployment) => deployment.status?.availableReplicas ?? 0, { type: 'integer', description: 'Pods ready for long enough' }),
    ...wideColumns<Deployment>(),
  ],
  defaults: (deployment) => ({ ...deployment, spec: defaultDeploymentSpec(deployment.spec), status: { ...deployment.status } }),
  validate: ({ metadata, spec }) => [...misplacedAnnotations(metadata.annotations), ...validateReplicated(spec), ...validateStrategy(spec)],
  validateUpdate: (deployment, before) => immutableSelector(deployment.spec, before.spec),
};

function defaultDeploymentSpec(spec: DeploymentSpec): DeploymentSpec {
  const type = spec.strategy?.type ?? 'RollingUpdate';
  const strategy = type === 'RollingUpdate' ? { type, rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%', ...spec.strategy?.rollingUpdate } } : { ...spec.strategy, type };
  return { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600, ...spec, strategy, template: defaultTemplate(spec.template) };
}

function validateStrategy(spec: DeploymentSpec): readonly FieldError[] {
  const { type = '', rollingUpdate } = spec.strategy ?? {};
  if (type !== 'RollingUpdate' && type !== 'Recreate') return [unsupportedField('spec.strategy.type', type, ['Recreate', 'RollingUpdate'])];
  const errors: FieldError[] = [];
  for (const name of ['maxUnavailable', 'maxSurge'] as const) {
    const value = rollingUpdate?.[name];
    if (value === undefined) continue;
    const good = typeof value === 'number' ? value >= 0 : /^\d+%$/.test(value);
    if (!good) errors.push(invalidField(`spec.strategy.rollingUpdate.${name}`, value, "must be a non-negative integer or a percentage like '25%'"));
  }
  const zero = (value: number | string | undefined): boolean => Number.parseInt(String(value ?? '1'), 10) === 0;
  if (errors.length === 0 && rollingUpdate !== undefined && zero(rollingUpdate.maxSurge) && zero(rollingUpdate.maxUnavailable)) {
    errors.push(invalidField('spec.strategy.rollingUpdate.maxUnavailable', rollingUpdate.maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  if ((spec.progressDeadlineSeconds ?? 600) <= (spec.minReadySeconds ?? 0)) errors.push(invalidField('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds, 'must be greater than minReadySeconds'));
  return errors;
}

export const REPLICA_SET: Kind<ReplicaSet> = {
  apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets', singular: 'replicaset', namespaced: true, shortNames: ['rs'], categories: ['all'],
  subresources: ['status', 'scale'], struct: 'apps.v1.ReplicaSet', selectableFields: ['status.replicas'],
  columns: [
    cell('Desired', (set) => set.spec?.replicas ?? 0, { type: 'integer', description: 'Pods wanted' }),
    cell('Current', (set) => set.status?.replicas ?? 0, { type: 'integer', description: 'Pods there are' }),
    cell('Ready', (set) => set.status?.readyReplicas ?? 0, { type: 'integer', description: 'Pods that are ready' }),
    ...wideColumns<ReplicaSet>(),
  ],
  defaults: (set) => ({ ...set, ...(set.spec === undefined ? {} : { spec: { replicas: 1, ...set.spec, ...(set.spec.template === undefined ? {} : { template: defaultTemplate(set.spec.template) }) } }), status: { replicas: 0, ...set.status } }),
  validate: ({ spec }) => (spec === undefined ? [requiredField('spec')] : validateReplicated(spec)),
  validateUpdate: (set, before) => (set.spec === undefined || before.spec === undefined ? [] : immutableSelector(set.spec, before.spec)),
};
