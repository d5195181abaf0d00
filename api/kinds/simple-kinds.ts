// Kinds without rules of their own: Namespace, ConfigMap, Secret, Event, Lease, EndpointSlice.

import { duplicateField, type FieldError, forbiddenField, invalidField, requiredField, unsupportedField } from '../errors/index.ts';
import { cell, formatAge, type Kind } from './kind.ts';
import type { ConfigMap, EndpointSlice, Event, Lease, Namespace, Secret } from './types.generated.ts';

const none = (): readonly FieldError[] => [];

export const NAMESPACE: Kind<Namespace> = {
  apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', singular: 'namespace', namespaced: false, shortNames: ['ns'], categories: [],
  subresources: ['status', 'finalize'], struct: 'core.v1.Namespace', selectableFields: ['status.phase'],
  columns: [cell('Status', (namespace) => namespace.status?.phase ?? '', { description: 'Active, or Terminating while its objects go' })],
  defaults: (namespace) => ({ ...namespace, spec: { finalizers: ['kubernetes'], ...namespace.spec }, status: { phase: 'Active', ...namespace.status } }),
  validate: none,
  validateUpdate: none,
};

/** Largest total of data, bytes, that a ConfigMap or Secret may hold. */
const MAX_DATA_BYTES = 1024 * 1024;

function dataProblems(data: Readonly<Record<string, string>> | undefined, field: string): readonly FieldError[] {
  const keys = Object.keys(data ?? {}).filter((key) => !/^(?!\.$|\.\.)[-._a-zA-Z0-9]{1,253}$/.test(key))
    .map((key) => invalidField(`${field}[${key}]`, key, "a valid key consists of alphanumeric characters, '-', '_' or '.', and is neither '.' nor begins with '..'"));
  const size = Object.values(data ?? {}).reduce((sum, value) => sum + value.length, 0);
  return size > MAX_DATA_BYTES ? [...keys, invalidField(field, `${size} bytes`, `may hold at most ${MAX_DATA_BYTES} bytes`)] : keys;
}

function immutableProblems<T extends { readonly immutable?: boolean | undefined; readonly data?: unknown }>(object: T, before: T): readonly FieldError[] {
  if (before.immutable !== true) return [];
  if (object.immutable !== true) return [forbiddenField('immutable', 'field is immutable when `immutable` is set')];
  return JSON.stringify(object.data) === JSON.stringify(before.data) ? [] : [forbiddenField('data', 'field is immutable when `immutable` is set')];
}

export const CONFIG_MAP: Kind<ConfigMap> = {
  apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', singular: 'configmap', namespaced: true, shortNames: ['cm'], categories: [],
  subresources: [], struct: 'core.v1.ConfigMap', selectableFields: [],
  columns: [cell('Data', (map) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length, { type: 'integer', description: 'How many keys it has' })],
  defaults: (map) => map,
  validate: (map) => [
    ...dataProblems(map.data, 'data'), ...dataProblems(map.binaryData, 'binaryData'),
    ...Object.keys(map.binaryData ?? {}).filter((key) => map.data?.[key] !== undefined).map((key) => duplicateField(`binaryData[${key}]`, key)),
  ],
  validateUpdate: immutableProblems,
};

export const SECRET: Kind<Secret> = {
  apiVersion: 'v1', kind: 'Secret', plural: 'secrets', singular: 'secret', namespaced: true, shortNames: [], categories: [],
  subresources: [], struct: 'core.v1.Secret', selectableFields: ['type'],
  columns: [
    cell('Type', (secret) => secret.type ?? '', { description: 'What the secret is for' }),
    cell('Data', (secret) => Object.keys(secret.data ?? {}).length, { type: 'integer', description: 'How many keys it has' }),
  ],
  defaults({ stringData, ...secret }) {
    const added = Object.fromEntries(Object.entries(stringData ?? {}).map(([key, text]) => [key, encodeBase64(text)]));
    const data = { ...secret.data, ...added };
    return { type: 'Opaque', ...secret, ...(Object.keys(data).length === 0 ? {} : { data }) };
  },
  validate: (secret) => [
    ...dataProblems(secret.data, 'data'),
    ...Object.entries(secret.data ?? {}).filter(([, value]) => !/^[A-Za-z0-9+/]*={0,2}$/.test(value)).map(([key]) => invalidField(`data[${key}]`, '(hidden)', 'must be base64; plain text goes into stringData')),
  ],
  validateUpdate: (secret, before) => [
    ...immutableProblems(secret, before),
    ...(secret.type === before.type ? [] : [invalidField('type', secret.type, 'field is immutable')]),
  ],
};

function encodeBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

export const EVENT: Kind<Event> = {
  apiVersion: 'v1', kind: 'Event', plural: 'events', singular: 'event', namespaced: true, shortNames: ['ev'], categories: [],
  subresources: [], struct: 'core.v1.Event',
  selectableFields: ['involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid', 'involvedObject.apiVersion', 'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason', 'reportingComponent', 'source', 'type'],
  columns: [
    cell('Last Seen', (event, now) => formatAge(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp, now), { description: 'When it happened last' }),
    cell('Type', (event) => event.type ?? '', { description: 'Normal or Warning' }),
    cell('Reason', (event) => event.reason ?? '', { description: 'In one word' }),
    cell('Object', (event) => `${(event.involvedObject.kind ?? '').toLowerCase()}/${event.involvedObject.name ?? ''}`, { description: 'What it is about' }),
    cell('Source', (event) => event.source?.component ?? event.reportingComponent ?? '', { wide: true, description: 'Who says so' }),
    cell('Message', (event) => event.message ?? '', { description: 'For people' }),
    cell('Count', (event) => event.count ?? 1, { type: 'integer', wide: true, description: 'How often' }),
  ],
  defaults: (event) => event,
  validate: (event) => ((event.involvedObject.namespace ?? 'default') === (event.metadata.namespace ?? 'default') ? [] : [invalidField('involvedObject.namespace', event.involvedObject.namespace, 'does not match event.namespace')]),
  validateUpdate: none,
};

export const LEASE: Kind<Lease> = {
  apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases', singular: 'lease', namespaced: true, shortNames: [], categories: [],
  subresources: [], struct: 'coordination.v1.Lease', selectableFields: [],
  columns: [cell('Holder', (lease) => lease.spec?.holderIdentity ?? '', { description: 'Who holds it' })],
  defaults: (lease) => lease,
  validate: (lease) => ((lease.spec?.leaseDurationSeconds ?? 1) > 0 ? [] : [invalidField('spec.leaseDurationSeconds', lease.spec?.leaseDurationSeconds, 'must be greater than 0')]),
  validateUpdate: none,
};

/** Kubernetes' own limit of one slice. */
const MAX_ENDPOINTS = 1000;

export const ENDPOINT_SLICE: Kind<EndpointSlice> = {
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', plural: 'endpointslices', singular: 'endpointslice', namespaced: true, shortNames: [], categories: [],
  subresources: [], struct: 'discovery.v1.EndpointSlice', selectableFields: [],
  columns: [
    cell('AddressType', (slice) => slice.addressType, { description: 'IPv4' }),
    cell('Ports', (slice) => listed((slice.ports ?? []).map((port) => String(port.port ?? '<unset>')), 3), { description: 'Ports of the endpoints' }),
    cell('Endpoints', (slice) => listed((slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses), 3), { description: 'Addresses, the first few' }),
  ],
  defaults: (slice) => ({ ...slice, ports: (slice.ports ?? []).map((port) => ({ protocol: 'TCP', name: '', ...port })) }),
  validate: (slice) => [
    ...(['IPv4', 'IPv6', 'FQDN'].includes(slice.addressType) ? [] : [unsupportedField('addressType', slice.addressType, ['FQDN', 'IPv4', 'IPv6'])]),
    ...((slice.endpoints ?? []).length <= MAX_ENDPOINTS ? [] : [invalidField('endpoints', (slice.endpoints ?? []).length, `at most ${MAX_ENDPOINTS} endpoints`)]),
    ...(slice.endpoints ?? []).flatMap((endpoint, index) => (endpoint.addresses.length > 0 ? [] : [requiredField(`endpoints[${index}].addresses`)])),
  ],
  validateUpdate: (slice, before) => (slice.addressType === before.addressType ? [] : [invalidField('addressType', slice.addressType, 'field is immutable')]),
};

function listed(items: readonly string[], most: number): string {
  if (items.length === 0) return '<unset>';
  const more = items.length - most;
  return more > 0 ? `${items.slice(0, most).join(',')} + ${more} more...` : items.join(',');
}
