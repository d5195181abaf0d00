// Service: a name, a loopback VIP, perhaps a port of every node, in front of the ready pods a selector finds.

import { duplicateField, type FieldError, forbiddenField, invalidField, requiredField, unsupportedField } from '../errors/index.ts';
import { dnsLabelProblem } from '../meta/index.ts';
import { cell, formatLabels, type Kind } from './kind.ts';
import type { Service, ServicePort, ServiceSpec } from './types.generated.ts';

const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer'];
/** Port numbers NodePorts are taken from. */
export const NODE_PORT_RANGE = { first: 30000, last: 32767 } as const;

export const SERVICE: Kind<Service> = {
  apiVersion: 'v1', kind: 'Service', plural: 'services', singular: 'service', namespaced: true, shortNames: ['svc'], categories: ['all'],
  subresources: ['status'], struct: 'core.v1.Service', selectableFields: ['spec.clusterIP', 'spec.type'],
  columns: [
    cell('Type', (service) => service.spec?.type ?? '', { description: 'How it is reached' }),
    cell('Cluster-IP', (service) => service.spec?.clusterIP ?? '<none>', { description: 'Its address on every node' }),
    cell('External-IP', (service) => service.spec?.externalIPs?.join(',') ?? '<none>', { description: 'Addresses from outside' }),
    cell('Port(s)', ports, { description: 'Port, node port and protocol' }),
    cell('Selector', (service) => formatLabels(service.spec?.selector), { wide: true, description: 'Which pods it finds' }),
  ],
  defaults: (service) => ({ ...service, spec: defaultSpec(service.spec ?? {}), status: { loadBalancer: {}, ...service.status } }),
  validate: (service) => validateSpec(service.spec ?? {}),
  validateUpdate(service, before): readonly FieldError[] {
    const same = service.spec?.clusterIP === before.spec?.clusterIP;
    return same ? [] : [invalidField('spec.clusterIP', service.spec?.clusterIP, 'field is immutable')];
  },
};

function defaultSpec(spec: ServiceSpec): ServiceSpec {
  return {
    type: 'ClusterIP', sessionAffinity: 'None', internalTrafficPolicy: 'Cluster', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack',
    ...spec,
    ports: (spec.ports ?? []).map((port) => ({ protocol: 'TCP', targetPort: port.port, ...port })),
  };
}

function validateSpec(spec: ServiceSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  const servicePorts = spec.ports ?? [];
  if (spec.type === 'ExternalName') errors.push(forbiddenField('spec.type', 'ExternalName is not supported'));
  else if (!TYPES.includes(spec.type ?? '')) errors.push(unsupportedField('spec.type', spec.type, TYPES));
  if (servicePorts.length === 0 && spec.clusterIP !== 'None') errors.push(requiredField('spec.ports'));
  const seen = new Set<string>();
  for (const [index, port] of servicePorts.entries()) {
    const field = `spec.ports[${index}]`;
    errors.push(...validatePort(port, field, servicePorts.length > 1));
    for (const mark of [`name ${port.name ?? ''}`, `port ${port.port}`]) {
      if (seen.has(mark) && mark !== 'name ') errors.push(duplicateField(field, port.name ?? port.port));
      seen.add(mark);
    }
  }
  return errors;
}

function validatePort(port: ServicePort, field: string, several: boolean): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (several && (port.name === undefined || port.name === '')) errors.push(requiredField(`${field}.name`));
  const named = port.name === undefined || port.name === '' ? undefined : dnsLabelProblem(port.name);
  if (named !== undefined) errors.push(invalidField(`${field}.name`, port.name, named));
  if (port.port < 1 || port.port > 65535) errors.push(invalidField(`${field}.port`, port.port, 'must be between 1 and 65535, inclusive'));
  if (port.protocol !== 'TCP') errors.push(unsupportedField(`${field}.protocol`, port.protocol, ['TCP']));
  const { first, last } = NODE_PORT_RANGE;
  if (port.nodePort !== undefined && port.nodePort !== 0 && (port.nodePort < first || port.nodePort > last)) {
    errors.push(invalidField(`${field}.nodePort`, port.nodePort, `provided port is not in the valid range. The range of valid ports is ${first}-${last}`));
  }
  return errors;
}

function ports(service: Service): string {
  const list = service.spec?.ports ?? [];
  if (list.length === 0) return '<none>';
  return list.map((port) => `${port.port}${port.nodePort === undefined ? '' : `:${port.nodePort}`}/${port.protocol ?? 'TCP'}`).join(',');
}
