// The verbs on resources and their subresources.

import { badRequest, conflict, invalid, methodNotAllowed, notFound, requiredField, successStatus } from '@copepod/api/errors';
import type { AnyKind, Deployment, Pod } from '@copepod/api/kinds';
import { formatLabelSelector, isRecord, type KubeObject, labelMatcher } from '@copepod/api/meta';
import type { Clock } from '@copepod/client/clock';
import { collectionPrefix, type DeleteOptions, type Part, qualifiedResource, type Ref, type Registry } from '../registry/index.ts';
import type { CachedObject } from '../watch-cache/index.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { decodeObject, patchObject } from './decode.ts';
import type { ServerRequest, Target } from './request.ts';
import { continueToken, type Matcher, matcherOf, pageOf, type PageRequest } from './selection.ts';
import { tableOf, wantsTable } from './table.ts';
import { openWatch } from './watching.ts';

export interface ResourceOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly isCompacted: (error: unknown) => boolean;
  /** The `log` subresource: asks the pod's agent. */
  readonly podLog: (pod: Pod, query: URLSearchParams, signal: AbortSignal) => Promise<Answer>;
}

type KnownTarget = Target & { readonly kind: AnyKind };

export function createResourceVerbs(options: ResourceOptions): (request: ServerRequest, target: KnownTarget) => Promise<Answer> {
  const { registry, clock } = options;

  return async (request, target) => {
    const { kind, verb } = target;
    if (kind.namespaced && target.namespace === undefined && verb !== 'list' && verb !== 'watch') {
      throw badRequest(`${kind.plural} are namespaced: use /namespaces/<namespace>/${kind.plural}`);
    }
    if (target.subresource !== undefined) return subresource(request, target);
    switch (verb) {
      case 'list': return list(request, target);
      case 'watch': return { is: 'watch', lines: openWatch({ ...target, query: request.query, accept: request.accept, signal: request.signal }, registry.cache, clock, options.isCompacted) };
      case 'get': return entryAnswer(request, kind, registry.get(kind, refOf(target)));
      case 'create': {
        if (target.name !== undefined) throw methodNotAllowed(qualifiedResource(kind), verb);
        const { object, warnings } = decodeObject(kind, request.body, fieldValidation(request));
        const inside = object.metadata.namespace;
        if (kind.namespaced && inside !== undefined && inside !== '' && inside !== target.namespace) {
          throw badRequest(`the namespace of the provided object does not match the namespace sent on the request: ${inside} and ${target.namespace}`);
        }
        const entry = await registry.create(kind, target.namespace, object, { dryRun: isDryRun(request) });
        return entryAnswer(request, kind, entry, 201, warnings);
      }
      case 'update': return write(request, target, 'spec');
      case 'patch': return patch(request, target, 'spec');
      case 'delete': return remove(request, target);
      case 'deletecollection': return removeCollection(request, target);
    }
  };

  async function list(request: ServerRequest, { kind, namespace, name }: KnownTarget): Promise<Answer> {
    const matches = matcherOf(kind, request.query, name);
    const { revision, entries, more, remaining } = await readPage(collectionPrefix(kind, namespace), pageOf(request.query), matches);
    const last = entries.at(-1);
    const body = {
      apiVersion: kind.apiVersion, kind: kind.kind, resourceVersion: String(revision), entries,
      continue: more && last !== undefined ? continueToken(revision, last.key) : undefined, remaining: more ? remaining : undefined,
    };
    if (!wantsTable(request.accept)) return { is: 'list', list: body };
    const metadata = { resourceVersion: body.resourceVersion, ...(body.continue === undefined ? {} : { continue: body.continue }), ...(body.remaining === undefined ? {} : { remainingItemCount: body.remaining }) };
    return jsonAnswer(tableOf(kind, entries.map((entry) => entry.object), { metadata, includeObject: request.query.get('includeObject') ?? 'Metadata', now: clock.now(), headers: true }));
  }

  interface PageRead {
    readonly revision: number;
    readonly entries: readonly CachedObject[];
    readonly more: boolean;
    /** How many come after; undefined where counting them would mean reading them. */
    readonly remaining: number | undefined;
  }

  /** The cache shows its own revision alone: pages that go on from an older one are read from the store. */
  async function readPage(prefix: string, { limit, from }: PageRequest, matches: Matcher): Promise<PageRead> {
    const { cache } = registry;
    if (from !== undefined && from.revision !== cache.revision) {
      return { revision: from.revision, remaining: undefined, ...await registry.page(prefix, { revision: from.revision, after: from.key, limit, matches }) };
    }
    const found = cache.list(prefix).filter((entry) => (from === undefined || entry.key > from.key) && matches(entry.object));
    const entries = limit === undefined ? found : found.slice(0, limit);
    const remaining = found.length - entries.length;
    return { revision: cache.revision, entries, more: remaining > 0, remaining };
  }

  function entryAnswer(request: ServerRequest, kind: AnyKind, entry: CachedObject, status = 200, warnings: readonly string[] = []): Answer {
    if (!wantsTable(request.accept)) return { is: 'entry', status, entry, warnings };
    const metadata = { resourceVersion: String(entry.revision) };
    return { is: 'json', status, warnings, value: tableOf(kind, [entry.object], { metadata, includeObject: request.query.get('includeObject') ?? 'Metadata', now: clock.now(), headers: true }) };
  }

  async function write(request: ServerRequest, target: KnownTarget, part: Part): Promise<Answer> {
    const { kind } = target;
    const { object, warnings } = decodeObject(kind, request.body, fieldValidation(request));
    if (object.metadata.name !== undefined && object.metadata.name !== target.name) {
      throw badRequest(`the name of the object (${object.metadata.name}) does not match the name on the URL (${target.name})`);
    }
    const entry = await registry.update(kind, refOf(target), () => object, { part, dryRun: isDryRun(request) });
    return entryAnswer(request, kind, entry, 200, warnings);
  }

  async function patch(request: ServerRequest, target: KnownTarget, part: Part): Promise<Answer> {
    const { kind } = target;
    let warnings: readonly string[] = [];
    const asked = isRecord(request.body) && isRecord(request.body['metadata']) ? request.body['metadata']['resourceVersion'] : undefined;
    const change = (current: KubeObject): KubeObject => {
      const patched = decodeObject(kind, patchObject(kind.struct, current, request.body, request.contentType), fieldValidation(request));
      warnings = patched.warnings;
      // Only a resourceVersion the patch itself names is insisted on.
      const { resourceVersion: _, ...metadata } = patched.object.metadata;
      return { ...patched.object, metadata };
    };
    const entry = await registry.update(kind, refOf(target), change, { part, dryRun: isDryRun(request), expectRevision: typeof asked === 'string' ? asked : undefined });
    return entryAnswer(request, kind, entry, 200, warnings);
  }

  async function remove(request: ServerRequest, target: KnownTarget): Promise<Answer> {
    const { kind } = target;
    const ref = refOf(target);
    const { uid } = registry.get(kind, ref).object.metadata;
    const left = await registry.delete(kind, ref, deleteOptions(request));
    if (left !== undefined) return entryAnswer(request, kind, left);
    return jsonAnswer(successStatus({ name: ref.name, kind: kind.plural, ...(uid === undefined ? {} : { uid }) }));
  }

  async function removeCollection(request: ServerRequest, { kind, namespace, name }: KnownTarget): Promise<Answer> {
    const matches = matcherOf(kind, request.query, name);
    const doomed = registry.cache.list(collectionPrefix(kind, namespace)).filter((entry) => matches(entry.object));
    const removals = await Promise.allSettled(doomed.map(({ object }) => registry.delete(kind, { namespace: object.metadata.namespace, name: object.metadata.name ?? '' }, deleteOptions(request))));
    const failed = removals.find((removal) => removal.status === 'rejected' && (removal.reason as { readonly reason?: unknown }).reason !== 'NotFound');
    if (failed?.status === 'rejected') throw failed.reason;
    return { is: 'list', list: { apiVersion: kind.apiVersion, kind: kind.kind, resourceVersion: String(registry.cache.revision), continue: undefined, remaining: undefined, entries: doomed } };
  }

  async function subresource(request: ServerRequest, target: KnownTarget): Promise<Answer> {
    const { kind, verb, subresource: name } = target;
    const known = kind.subresources.find((candidate) => candidate === name);
    switch (known) {
      case undefined:
        throw notFound(`${kind.plural}/${name}`, target.name ?? '');
      case 'status':
        if (verb === 'get') return entryAnswer(request, kind, registry.get(kind, refOf(target)));
        if (verb === 'update') return write(request, target, 'status');
        if (verb === 'patch') return patch(request, target, 'status');
        break;
      case 'finalize':
        if (verb === 'update') return write(request, target, 'finalize');
        break;
      case 'scale':
        if (verb === 'get' || verb === 'update' || verb === 'patch') return scale(request, target);
        break;
      case 'binding':
        if (verb === 'create') return bind(request, target);
        break;
      case 'log':
        if (verb === 'get') return options.podLog(registry.get(kind, refOf(target)).object as unknown as Pod, request.query, request.signal);
        break;
    }
    throw methodNotAllowed(`${kind.plural}/${name}`, verb);
  }

  async function scale(request: ServerRequest, target: KnownTarget): Promise<Answer> {
    const { kind, verb } = target;
    const ref = refOf(target);
    if (verb === 'get') return jsonAnswer(scaleOf(registry.get(kind, ref).object));
    let insists: string | undefined;
    const change = (current: KubeObject): KubeObject => {
      const wanted = verb === 'patch' ? patchObject('autoscaling.v1.Scale', scaleOf(current), request.body, request.contentType) : request.body;
      const replicas = isRecord(wanted) && isRecord(wanted['spec']) ? wanted['spec']['replicas'] ?? 0 : undefined;
      if (typeof replicas !== 'number' || !Number.isSafeInteger(replicas) || replicas < 0) {
        throw invalid('Scale', ref.name, [{ ...requiredField('spec.replicas'), message: 'must be a whole number of at least 0' }]);
      }
      const version = verb === 'update' && isRecord(wanted) && isRecord(wanted['metadata']) ? wanted['metadata']['resourceVersion'] : undefined;
      insists = typeof version === 'string' && version !== '' ? version : undefined;
      if (insists !== undefined && insists !== current.metadata.resourceVersion) throw conflict(qualifiedResource(kind), ref.name, 'the object has been modified; please apply your changes to the latest version and try again');
      const { resourceVersion: _, ...metadata } = current.metadata;
      return { ...current, metadata, spec: { ...(current['spec'] as object), replicas } };
    };
    const entry = await registry.update(kind, ref, change, { part: 'spec', dryRun: isDryRun(request) });
    return jsonAnswer(scaleOf(entry.object));
  }

  async function bind(request: ServerRequest, target: KnownTarget): Promise<Answer> {
    const { body } = request;
    const node = isRecord(body) && isRecord(body['target']) ? body['target']['name'] : undefined;
    if (typeof node !== 'string' || node === '') throw badRequest('a Binding names its node in target.name');
    const change = (current: KubeObject): KubeObject => {
      const pod = current as unknown as Pod;
      if (current.metadata.deletionTimestamp !== undefined) throw conflict('pods/binding', target.name ?? '', `pod ${target.name} is being deleted, cannot be assigned to a host`);
      if (pod.spec?.nodeName !== undefined && pod.spec.nodeName !== '') throw conflict('pods/binding', target.name ?? '', `pod ${target.name} is already assigned to node "${pod.spec.nodeName}"`);
      const conditions = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled');
      const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z') };
      return { ...current, spec: { ...pod.spec, nodeName: node }, status: { ...pod.status, conditions: [...conditions, scheduled] } };
    };
    await registry.update(target.kind, refOf(target), change, { part: 'binding', dryRun: isDryRun(request) });
    return jsonAnswer(successStatus(), 201);
  }
}

function refOf(target: Target): Ref {
  return { namespace: target.kind?.namespaced === true ? target.namespace : undefined, name: target.name ?? '' };
}

function fieldValidation({ query }: ServerRequest): string {
  const value = query.get('fieldValidation') ?? '';
  if (value === '') return 'Warn';
  if (value === 'Strict' || value === 'Warn' || value === 'Ignore') return value;
  throw badRequest(`fieldValidation is ${JSON.stringify(value)}: it may be Strict, Warn or Ignore`);
}

function isDryRun({ query }: ServerRequest): boolean {
  const values = query.getAll('dryRun').filter((value) => value !== '');
  if (values.some((value) => value !== 'All')) throw badRequest(`dryRun is ${JSON.stringify(values)}: it may be All`);
  return values.length > 0;
}

function deleteOptions(request: ServerRequest): DeleteOptions {
  const body = isRecord(request.body) ? request.body : {};
  const grace = body['gracePeriodSeconds'] ?? (request.query.has('gracePeriodSeconds') ? Number(request.query.get('gracePeriodSeconds')) : undefined);
  if (grace !== undefined && (typeof grace !== 'number' || !Number.isSafeInteger(grace) || grace < 0)) throw badRequest('gracePeriodSeconds must be a whole number of at least 0');
  const policy = body['propagationPolicy'] ?? request.query.get('propagationPolicy') ?? undefined;
  if (policy !== undefined && policy !== 'Background' && policy !== 'Foreground' && policy !== 'Orphan') throw badRequest(`propagationPolicy is ${JSON.stringify(policy)}: it may be Background, Foreground or Orphan`);
  const conditions = isRecord(body['preconditions']) ? body['preconditions'] : {};
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return {
    gracePeriodSeconds: grace, propagationPolicy: policy,
    preconditions: { uid: text(conditions['uid']), resourceVersion: text(conditions['resourceVersion']) },
    dryRun: isDryRun(request) || (Array.isArray(body['dryRun']) && body['dryRun'].includes('All')),
  };
}

function scaleOf(object: KubeObject): object {
  const { spec, status } = object as unknown as Deployment;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec.replicas ?? 0 },
    status: { replicas: status?.replicas ?? 0, selector: formatLabelSelector(labelMatcher(spec.selector) ?? []) },
  };
}
