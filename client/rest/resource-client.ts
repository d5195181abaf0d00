// One kind's verbs over any transport. Every answer >= 400 is thrown as ApiError; objects that come back may be frozen.

import type { ApiError } from '@copepod/api/errors';
import { fromStatus, isNotFound, isStatus, successStatus } from '@copepod/api/errors';
import type { KubeList } from '@copepod/api/meta';
import type { WatchEvent } from '@copepod/api/watch';
import type { ApiObject, ObjectRef, ResourceType } from './resource-type.ts';
import { collectionPath, objectPath, refOf } from './resource-type.ts';
import type { ApiRequest, ApiResponse, Transport } from './transport.ts';

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends RequestOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface WatchOptions extends RequestOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly allowBookmarks?: boolean | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export interface WriteOptions extends RequestOptions {
  readonly dryRun?: boolean | undefined;
  readonly fieldManager?: string | undefined;
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore' | undefined;
}

export interface DeleteOptions extends RequestOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly dryRun?: boolean | undefined;
}

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export type PatchType = keyof typeof PATCH_TYPES;

export interface Patch {
  readonly type: PatchType;
  readonly body: unknown;
  readonly subresource?: string | undefined;
  /** Apply only. */
  readonly force?: boolean | undefined;
}

export interface Scale {
  readonly apiVersion: string;
  readonly kind: 'Scale';
  readonly metadata: { readonly name?: string; readonly namespace?: string; readonly resourceVersion?: string; readonly uid?: string };
  readonly spec: { readonly replicas?: number };
  readonly status?: { readonly replicas: number; readonly selector?: string };
}

export interface ResourceClient<T extends ApiObject> {
  readonly type: ResourceType<T>;
  get(ref: ObjectRef, options?: RequestOptions): Promise<T>;
  /** Undefined when there is none. */
  find(ref: ObjectRef, options?: RequestOptions): Promise<T | undefined>;
  list(options?: ListOptions): Promise<KubeList<T>>;
  /** Into the namespace the object's metadata names. */
  create(object: T, options?: WriteOptions): Promise<T>;
  update(object: T, options?: WriteOptions): Promise<T>;
  updateStatus(object: T, options?: WriteOptions): Promise<T>;
  patch(ref: ObjectRef, patch: Patch, options?: WriteOptions): Promise<T>;
  /** The object as it is after the call when it still is there (finalizers, grace), undefined when it is gone. */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<T | undefined>;
  deleteCollection(selection: ListOptions, options?: DeleteOptions): Promise<void>;
  /** Throws ApiError for an ERROR event: an iterator hands out only objects. Ends when the server ends it or the signal aborts. */
  watch(options: WatchOptions): AsyncIterable<Exclude<WatchEvent<T>, { type: 'ERROR' }>>;
  getScale(ref: ObjectRef): Promise<Scale>;
  scale(ref: ObjectRef, replicas: number): Promise<Scale>;
  /** POST, e.g. `binding`. */
  createSubresource(ref: ObjectRef, subresource: string, body: unknown): Promise<unknown>;
  /** PUT, e.g. `finalize`. */
  updateSubresource(object: T, subresource: string): Promise<T>;
}

export function resourceClient<T extends ApiObject>(transport: Transport, type: ResourceType<T>): ResourceClient<T> {
  const send = async (request: ApiRequest): Promise<T> => expectOk(await transport.request(request)) as T;
  const get = (ref: ObjectRef, options: RequestOptions = {}): Promise<T> =>
    send({ method: 'GET', path: objectPath(type, ref), ...signalOf(options) });
  const put = (object: T, subresource: string | undefined, options: WriteOptions): Promise<T> =>
    send({ method: 'PUT', path: objectPath(type, refOf(object), subresource), body: object, query: writeQuery(options), ...signalOf(options) });

  return {
    type,
    get,
    async find(ref, options) {
      try {
        return await get(ref, options);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    },
    async list(options = {}) {
      const request: ApiRequest = {
        method: 'GET', path: collectionPath(type, options.namespace), query: listQuery(options), ...signalOf(options),
      };
      return expectOk(await transport.request(request)) as KubeList<T>;
    },
    create: (object, options = {}) =>
      send({
        method: 'POST', path: collectionPath(type, object.metadata.namespace), body: object, query: writeQuery(options), ...signalOf(options),
      }),
    update: (object, options = {}) => put(object, undefined, options),
    updateStatus: (object, options = {}) => put(object, 'status', options),
    patch: (ref, patch, options = {}) =>
      send({
        method: 'PATCH',
        path: objectPath(type, ref, patch.subresource),
        body: patch.body,
        contentType: PATCH_TYPES[patch.type],
        query: { ...writeQuery(options), ...(patch.force === true ? { force: 'true' } : {}) },
        ...signalOf(options),
      }),
    async delete(ref, options = {}) {
      const answer = expectOk(await transport.request({
        method: 'DELETE', path: objectPath(type, ref), body: deleteBody(options), ...signalOf(options),
      }));
      return isStatus(answer) ? undefined : (answer as T);
    },
    async deleteCollection(selection, options = {}) {
      expectOk(await transport.request({
        method: 'DELETE',
        path: collectionPath(type, selection.namespace),
        query: listQuery(selection),
        body: deleteBody(options),
        ...signalOf(options),
      }));
    },
    async *watch(options) {
      const events = transport.watch({
        method: 'GET', path: collectionPath(type, options.namespace), query: watchQuery(options), ...signalOf(options),
      });
      for await (const event of events) {
        if (event.type === 'ERROR') throw fromStatus(event.object);
        yield event as unknown as Exclude<WatchEvent<T>, { type: 'ERROR' }>;
      }
    },
    getScale: async (ref) => expectOk(await transport.request({ method: 'GET', path: objectPath(type, ref, 'scale') })) as Scale,
    async scale(ref, replicas) {
      return expectOk(await transport.request({
        method: 'PATCH', path: objectPath(type, ref, 'scale'), body: { spec: { replicas } }, contentType: PATCH_TYPES.merge,
      })) as Scale;
    },
    createSubresource: async (ref, subresource, body) =>
      expectOk(await transport.request({ method: 'POST', path: objectPath(type, ref, subresource), body })),
    updateSubresource: (object, subresource) => put(object, subresource, {}),
  };
}

/** The body of a good answer; throws what the Status says of a bad one. */
export function expectOk(response: ApiResponse): unknown {
  if (response.status < 400) return response.body;
  throw errorOf(response);
}

function errorOf(response: ApiResponse): ApiError {
  if (isStatus(response.body)) return fromStatus(response.body);
  const message = typeof response.body === 'string' && response.body !== '' ? response.body.slice(0, 500) : `the server answered ${response.status}`;
  return fromStatus({ ...successStatus(), status: 'Failure', code: response.status, message });
}

function signalOf(options: RequestOptions): { signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

function defined(entries: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of Object.entries(entries)) {
    if (value !== undefined && value !== '') query[name] = value;
  }
  return query;
}

function listQuery(options: ListOptions): Record<string, string> {
  return defined({
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    limit: options.limit?.toString(),
    continue: options.continue,
    resourceVersion: options.resourceVersion,
  });
}

function watchQuery(options: WatchOptions): Record<string, string> {
  return defined({
    watch: 'true',
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
    resourceVersion: options.resourceVersion,
    allowWatchBookmarks: options.allowBookmarks === false ? undefined : 'true',
    timeoutSeconds: options.timeoutSeconds?.toString(),
  });
}

function writeQuery(options: WriteOptions): Record<string, string> {
  return defined({
    dryRun: options.dryRun === true ? 'All' : undefined,
    fieldManager: options.fieldManager,
    fieldValidation: options.fieldValidation,
  });
}

function deleteBody(options: DeleteOptions): Record<string, unknown> {
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(options.propagationPolicy === undefined ? {} : { propagationPolicy: options.propagationPolicy }),
    ...(options.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: options.gracePeriodSeconds }),
    ...(options.preconditions === undefined ? {} : { preconditions: options.preconditions }),
    ...(options.dryRun === true ? { dryRun: ['All'] } : {}),
  };
}
