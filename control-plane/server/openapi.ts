// OpenAPI v2 and v3, made from the one schema: kubectl validates by it, merges by it and explains by it.

import { type AnyKind, KINDS } from '@copepod/api/kinds';
import { splitApiVersion } from '@copepod/api/meta';
import { type FieldSchema, type FieldType, type Scalar, SCHEMA_VERSION, structNames, structSchema } from '@copepod/api/schema';

type Json = Record<string, unknown>;

const SCALARS: Readonly<Record<Scalar, Json>> = {
  string: { type: 'string' }, integer: { type: 'integer', format: 'int64' }, number: { type: 'number', format: 'double' }, boolean: { type: 'boolean' },
  bytes: { type: 'string', format: 'byte' }, quantity: { type: 'string' }, 'int-or-string': { type: 'string', format: 'int-or-string' },
  time: { type: 'string', format: 'date-time' }, any: { type: 'object' },
};

/** `apps.v1.Deployment` → `io.k8s.api.apps.v1.Deployment`. */
function published(struct: string): string {
  return struct.startsWith('meta.') ? `io.k8s.apimachinery.pkg.apis.${struct}` : `io.k8s.api.${struct}`;
}

function gvk(kind: AnyKind): Json {
  const { group, version } = splitApiVersion(kind.apiVersion);
  return { group, kind: kind.kind, version };
}

function definitions(prefix: string): Json {
  const render = (type: FieldType): Json => {
    switch (type.is) {
      case 'scalar': return SCALARS[type.scalar];
      case 'list': return { type: 'array', items: render(type.of) };
      case 'map': return { type: 'object', additionalProperties: render(type.of) };
      case 'struct': return { $ref: `${prefix}${published(type.name)}` };
    }
  };
  const field = ({ type, mergeKey, retainKeys }: FieldSchema): Json => {
    const strategies = [...(mergeKey === undefined ? [] : ['merge']), ...(retainKeys ? ['retainKeys'] : [])];
    return {
      ...render(type),
      ...(mergeKey === undefined || mergeKey === '' ? {} : { 'x-kubernetes-patch-merge-key': mergeKey }),
      ...(strategies.length === 0 ? {} : { 'x-kubernetes-patch-strategy': strategies.join(',') }),
    };
  };
  return Object.fromEntries(structNames().map((name) => {
    const schema = structSchema(name);
    const kind = KINDS.find((known) => known.struct === name);
    return [published(name), {
      type: 'object',
      properties: Object.fromEntries([...schema.fields].map(([key, value]) => [key, field(value)])),
      ...(schema.required.length === 0 ? {} : { required: schema.required }),
      ...(kind === undefined ? {} : { 'x-kubernetes-group-version-kind': [gvk(kind)] }),
    }];
  }));
}

function paths(kinds: readonly AnyKind[], parameter: (name: string, where: string) => Json): Json {
  const operation = (kind: AnyKind, action: string): Json => ({
    'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': gvk(kind),
    ...(['post', 'put', 'patch'].includes(action) ? { parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => parameter(name, 'query')) } : {}),
    responses: { 200: { description: 'OK' } },
  });
  return Object.fromEntries(kinds.flatMap((kind) => {
    const root = `${kind.apiVersion.includes('/') ? '/apis' : '/api'}/${kind.apiVersion}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.plural}`;
    const within = kind.namespaced ? [parameter('namespace', 'path')] : [];
    return [
      [root, { get: operation(kind, 'list'), post: operation(kind, 'post'), parameters: within }],
      [`${root}/{name}`, { get: operation(kind, 'get'), put: operation(kind, 'put'), patch: operation(kind, 'patch'), delete: operation(kind, 'delete'), parameters: [parameter('name', 'path'), ...within] }],
    ];
  }));
}

const info = { title: 'Kubernetes', version: SCHEMA_VERSION };

/** The index of /openapi/v3. The hash changes with the schema alone, so clients may cache what it leads to. */
export function openApiIndex(): object {
  const urls = [...new Set(KINDS.map((kind) => kind.apiVersion))].map((apiVersion) => (apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`));
  return { paths: Object.fromEntries(urls.map((url) => [url, { serverRelativeURL: `/openapi/v3/${url}?hash=${SCHEMA_VERSION}-${KINDS.length}` }])) };
}

/** Undefined for a version that is not served. */
export function openApiV3(apiVersion: string): object | undefined {
  const kinds = KINDS.filter((kind) => kind.apiVersion === apiVersion);
  if (kinds.length === 0) return undefined;
  const parameter = (name: string, where: string): Json => ({ name, in: where, ...(where === 'path' ? { required: true } : {}), schema: { type: 'string' } });
  return { openapi: '3.0.0', info, paths: paths(kinds, parameter), components: { schemas: definitions('#/components/schemas/') } };
}

export function openApiV2(): object {
  const parameter = (name: string, where: string): Json => ({ name, in: where, ...(where === 'path' ? { required: true } : {}), type: 'string' });
  return { swagger: '2.0', info, paths: paths(KINDS, parameter), definitions: definitions('#/definitions/') };
}
