// Pod: one container, which is an instance of a WASI component. What only an operating-system container could do is refused by name.

import { type FieldError, forbiddenField, invalidField, requiredField, tooManyField, unsupportedField } from '../errors/index.ts';
import { readGuestAnnotations, readResourceLimits, RESOURCE_LIMITS } from '../guest/index.ts';
import { dnsLabelProblem, parseQuantity } from '../meta/index.ts';
import { cell, formatAge, type Kind } from './kind.ts';
import type { Container, Pod, PodCondition, PodSpec, PodStatus } from './types.generated.ts';
import { validateVolumes } from './volumes.ts';

export const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'] as const;

export const POD: Kind<Pod> = {
  apiVersion: 'v1', kind: 'Pod', plural: 'pods', singular: 'pod', namespaced: true, shortNames: ['po'], categories: ['all'],
  subresources: ['status', 'binding', 'log'], struct: 'core.v1.Pod',
  selectableFields: ['spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'status.phase', 'status.podIP', 'status.nominatedNodeName'],
  columns: [
    cell('Ready', (pod) => `${(pod.status?.containerStatuses ?? []).filter((status) => status.ready).length}/${pod.spec?.containers.length ?? 0}`, { description: 'Ready containers of all' }),
    cell('Status', podReason, { description: 'Phase, or why it is not running' }),
    cell('Restarts', restarts, { description: 'How often its containers were started anew' }),
    cell('IP', (pod) => pod.status?.podIP ?? '<none>', { wide: true, description: 'Its identity on the node' }),
    cell('Node', (pod) => (pod.spec?.nodeName === undefined || pod.spec.nodeName === '' ? '<none>' : pod.spec.nodeName), { wide: true, description: 'Where it runs' }),
    cell('Nominated Node', (pod) => pod.status?.nominatedNodeName ?? '<none>', { wide: true, description: 'Where it may run' }),
    cell('Readiness Gates', () => '<none>', { wide: true, description: 'Further conditions of its readiness' }),
  ],
  defaults: (pod) => ({ ...pod, ...(pod.spec === undefined ? {} : { spec: defaultPodSpec(pod.spec) }), status: { phase: 'Pending', ...pod.status } }),
  validate: (pod) => [
    ...readGuestAnnotations(pod.metadata.annotations, 'metadata.annotations').errors,
    ...(pod.spec === undefined ? [requiredField('spec')] : validatePodSpec(pod.spec, 'spec', RESTART_POLICIES)),
  ],
  validateUpdate(pod, before) {
    const free = (spec: PodSpec | undefined): string => JSON.stringify({
      ...spec, activeDeadlineSeconds: 0, tolerations: [], terminationGracePeriodSeconds: 0, containers: (spec?.containers ?? []).map((container) => ({ ...container, image: '' })),
    }, Object.keys(flatten(spec)).sort());
    return free(pod.spec) === free(before.spec) ? [] : [forbiddenField('spec', 'pod updates may not change fields other than `spec.containers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations`')];
  },
};

/** Every key anywhere in a value: as a replacer it makes JSON independent of the order of keys. */
function flatten(value: unknown, keys: Record<string, true> = {}): Record<string, true> {
  if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      keys[key] = true;
      flatten(item, keys);
    }
  }
  return keys;
}

/** Of a pod or a template. Values are Kubernetes' own. */
export function defaultPodSpec(spec: PodSpec): PodSpec {
  return {
    restartPolicy: 'Always', terminationGracePeriodSeconds: 30, dnsPolicy: 'ClusterFirst', schedulerName: 'default-scheduler', enableServiceLinks: true, securityContext: {},
    ...spec,
    containers: spec.containers.map(defaultContainer),
  };
}

function defaultContainer(container: Container): Container {
  const probe = (value: Container['readinessProbe']): object => (value === undefined ? {} : {
    timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3, ...value,
    ...(value.httpGet === undefined ? {} : { httpGet: { path: '/', scheme: 'HTTP', ...value.httpGet } }),
  });
  const { livenessProbe, readinessProbe, startupProbe } = container;
  return {
    imagePullPolicy: /:latest$|^[^:@]+$/.test(container.image ?? '') ? 'Always' : 'IfNotPresent', terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', resources: {},
    ...container,
    ...(container.ports === undefined ? {} : { ports: container.ports.map((port) => ({ protocol: 'TCP', ...port })) }),
    ...(livenessProbe === undefined ? {} : { livenessProbe: probe(livenessProbe) }),
    ...(readinessProbe === undefined ? {} : { readinessProbe: probe(readinessProbe) }),
    ...(startupProbe === undefined ? {} : { startupProbe: probe(startupProbe) }),
  };
}

/** `field`: where the spec stands, `spec` or `spec.template.spec`. */
export function validatePodSpec(spec: PodSpec, field: string, restartPolicies: readonly string[]): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (spec.containers.length === 0) errors.push(requiredField(`${field}.containers`));
  if (spec.containers.length > 1) errors.push(tooManyField(`${field}.containers`, spec.containers.length, 'a pod runs one component; put the others into pods of their own'));
  if ((spec.initContainers ?? []).length > 0) errors.push(forbiddenField(`${field}.initContainers`, 'init containers are not supported'));
  if (!restartPolicies.includes(spec.restartPolicy ?? 'Always')) errors.push(unsupportedField(`${field}.restartPolicy`, spec.restartPolicy, restartPolicies));
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) errors.push(invalidField(`${field}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds, 'must be greater than or equal to 0'));
  for (const [index, container] of spec.containers.entries()) errors.push(...validateContainer(container, `${field}.containers[${index}]`));
  errors.push(...validateVolumes(spec, field));
  return errors;
}

/** What a container may speak. */
const PROTOCOLS = ['TCP', 'UDP'];

function validateContainer(container: Container, field: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const named = dnsLabelProblem(container.name);
  if (named !== undefined) errors.push(invalidField(`${field}.name`, container.name, named));
  if (container.image === undefined || container.image.trim() === '') errors.push(requiredField(`${field}.image`));
  for (const [index, variable] of (container.env ?? []).entries()) {
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(variable.name)) errors.push(invalidField(`${field}.env[${index}].name`, variable.name, "must consist of alphabetic characters, digits, '_', '-', or '.', and not start with a digit"));
  }
  for (const [index, port] of (container.ports ?? []).entries()) {
    if (port.containerPort < 1 || port.containerPort > 65535) errors.push(invalidField(`${field}.ports[${index}].containerPort`, port.containerPort, 'must be between 1 and 65535, inclusive'));
    if (!PROTOCOLS.includes(port.protocol ?? 'TCP')) errors.push(unsupportedField(`${field}.ports[${index}].protocol`, port.protocol, PROTOCOLS));
  }
  for (const kind of ['limits', 'requests'] as const) {
    for (const [resource, amount] of Object.entries(container.resources?.[kind] ?? {})) {
      if (kind === 'limits' && RESOURCE_LIMITS.has(resource)) continue;
      if ((parseQuantity(amount) ?? -1) < 0) errors.push(invalidField(`${field}.resources.${kind}[${resource}]`, amount, 'must be greater than or equal to 0'));
    }
  }
  errors.push(...readResourceLimits(container.resources?.limits, `${field}.resources.limits`).errors);
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[name];
    if (probe === undefined) continue;
    if (probe.httpGet === undefined) errors.push(forbiddenField(`${field}.${name}`, 'only httpGet probes are supported: a component has no shell to run commands in'));
    if ((probe.periodSeconds ?? 1) < 1) errors.push(invalidField(`${field}.${name}.periodSeconds`, probe.periodSeconds, 'must be greater than or equal to 1'));
    if ((probe.timeoutSeconds ?? 1) < 1) errors.push(invalidField(`${field}.${name}.timeoutSeconds`, probe.timeoutSeconds, 'must be greater than or equal to 1'));
  }
  return errors;
}

/** `Running`, `CrashLoopBackOff`, `OOMKilled`, `Terminating`…: what the STATUS column says. */
export function podReason(pod: Pod): string {
  const status = pod.status ?? {};
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating';
  const [container] = status.containerStatuses ?? [];
  const waiting = container?.state?.waiting?.reason;
  if (waiting !== undefined && waiting !== '') return waiting;
  const terminated = container?.state?.terminated;
  if (terminated !== undefined) return terminated.reason ?? (terminated.exitCode === 0 ? 'Completed' : 'Error');
  return status.reason ?? status.phase ?? 'Unknown';
}

function restarts(pod: Pod, now: number): string | number {
  const statuses = pod.status?.containerStatuses ?? [];
  const count = statuses.reduce((sum, status) => sum + status.restartCount, 0);
  const last = statuses.map((status) => status.lastState?.terminated?.finishedAt).filter((time) => time !== undefined).sort().at(-1);
  return count > 0 && last !== undefined ? `${count} (${formatAge(last, now)} ago)` : String(count);
}

export function podCondition(status: PodStatus | undefined, type: string): PodCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod.status, 'Ready')?.status === 'True';
}

/** Neither ended nor going. */
export function isPodActive(pod: Pod): boolean {
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined;
}

/** Ready for at least `minReadySeconds` at `now` (milliseconds). */
export function isPodAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  const condition = podCondition(pod.status, 'Ready');
  if (condition?.status !== 'True') return false;
  return minReadySeconds === 0 || Date.parse(condition.lastTransitionTime ?? '') + minReadySeconds * 1000 <= now;
}
