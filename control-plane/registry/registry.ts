// The generic store of every kind: create, update, delete with the manners of Kubernetes. Reads and watches come from the watch cache;
// an answer is given only after the write is durable and the cache shows it.

import { randomUUID } from 'node:crypto';
import { alreadyExists, ApiError, badRequest, conflict, expired, forbidden, insufficientStorage, invalid, notFound, serviceUnavailable } from '@copepod/api/errors';
import { type AnyKind, KINDS, NAMESPACE } from '@copepod/api/kinds';
import { isRecord, type KubeObject } from '@copepod/api/meta';
import { isStorageError, type Mutation, type Storage, type StorageErrorCode } from '../storage/index.ts';
import { type CachedObject, cachedObject, decodeStored, encodeForStorage, type WatchCache } from '../watch-cache/index.ts';
import { ALLOCATIONS, allocationGuard, unguarded } from './allocations.ts';
import { objectStorageKey, qualifiedKind, qualifiedResource, type Ref } from './keys.ts';
import { generateName, keepSystemMetadata, validateMetadata, withoutUndefined } from './metadata.ts';
import type { Strategy, StrategyContext } from './strategy.ts';
import { createStrategies } from './strategies/index.ts';

export interface RegistryOptions {
  readonly storage: Storage;
  readonly cache: WatchCache;
  /** Where other servers write to the store too: waits for about so many milliseconds, at random, when one of them was faster. */
  readonly pause?: ((ms: number) => Promise<void>) | undefined;
  readonly now: () => number;
  readonly random: () => number;
}

export interface WriteOptions {
  readonly dryRun: boolean;
}

/** Which part of an object a write may change. `binding` is the server's own placing of a pod, which no client may do by an update. */
export type Part = 'spec' | 'status' | 'finalize' | 'binding';

export interface UpdateOptions extends WriteOptions {
  readonly part: Part;
  /** The revision the caller read, when it insists on it. */
  readonly expectRevision?: string | undefined;
}

export type PropagationPolicy = 'Background' | 'Foreground' | 'Orphan';

export interface DeleteOptions extends WriteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: PropagationPolicy | undefined;
  readonly preconditions?: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined } | undefined;
}

export interface PageOptions {
  /** The revision the first page was read at. */
  readonly revision: number;
  /** The key the page before ended with. */
  readonly after: string;
  readonly limit: number | undefined;
  readonly matches: (object: KubeObject) => boolean;
}

export interface Page {
  readonly entries: readonly CachedObject[];
  readonly more: boolean;
}

export interface Registry {
  readonly cache: WatchCache;
  /** Resolves when the cache shows every write that was acknowledged before, whichever server took it. ApiError ServiceUnavailable. */
  caughtUp(): Promise<void>;
  /** A further page of a collection, as it was at the revision of the first one. ApiError Expired when that is no longer kept. */
  page(prefix: string, options: PageOptions): Promise<Page>;
  /** ApiError NotFound. */
  get(kind: AnyKind, ref: Ref): CachedObject;
  create(kind: AnyKind, namespace: string | undefined, object: KubeObject, options: WriteOptions): Promise<CachedObject>;
  /** `change` may be called again when somebody else wrote in between; it must not depend on earlier calls. */
  update(kind: AnyKind, ref: Ref, change: (current: KubeObject) => KubeObject, options: UpdateOptions): Promise<CachedObject>;
  /** The object while it still is there, undefined when it is gone. */
  delete(kind: AnyKind, ref: Ref, options: DeleteOptions): Promise<CachedObject | undefined>;
}

const ATTEMPTS = 16;
/** Objects of a page read at once. */
const READ_AT_ONCE = 500;
/** Nothing is wrong with the request: the store cannot take it now. */
const UNAVAILABLE: ReadonlySet<StorageErrorCode> = new Set(['ReadOnly', 'Closed', 'Io', 'Unavailable', 'Uncertain']);
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

export function createRegistry({ storage, cache, now, random, pause }: RegistryOptions): Registry {
  const guard = pause === undefined ? unguarded : allocationGuard(storage, cache, pause);
  const strategies = createStrategies();
  const context: StrategyContext = { cache, now, random };
  const timestamp = (): string => new Date(Math.floor(now() / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  const strategyOf = (kind: AnyKind): Strategy => strategies.get(kind.kind) ?? {};

  function get(kind: AnyKind, ref: Ref): CachedObject {
    const found = cache.get(objectStorageKey(kind, ref));
    if (found === undefined) throw notFound(qualifiedResource(kind), ref.name);
    return found;
  }

  async function page(prefix: string, { revision, after, limit = Number.POSITIVE_INFINITY, matches }: PageOptions): Promise<Page> {
    const entries: CachedObject[] = [];
    try {
      for (let from = after, more = true; more;) {
        const read = await storage.list({ prefix, after: from, limit: READ_AT_ONCE, revision });
        for (const item of read.items) {
          const entry = decodeStored(item.key, item.value, item.modRevision);
          if (!matches(entry.object)) continue;
          if (entries.length >= limit) return { entries, more: true };
          entries.push(entry);
        }
        from = read.items.at(-1)?.key ?? from;
        more = read.more;
      }
      return { entries, more: false };
    } catch (error) {
      if (isStorageError(error, 'Compacted')) throw expired('The provided continue parameter is too old to display a consistent list result: list again without it.');
      if (isStorageError(error, 'Future')) throw badRequest(`the continue token is of revision ${revision}, which this server has not reached`);
      throw error;
    }
  }

  async function answered<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (isStorageError(error, 'NoSpace')) throw insufficientStorage(error.message, error);
      if (isStorageError(error) && UNAVAILABLE.has(error.code)) throw serviceUnavailable(error.message, error);
      throw error;
    }
  }

  async function commit(...mutations: readonly Mutation[]): Promise<number> {
    const revision = await answered(storage.commit(mutations));
    await cache.waitFor(revision);
    return revision;
  }

  const caughtUp = async (): Promise<void> => cache.waitFor(await answered(storage.revision()));

  /** What `commit` stored; another writer may have replaced it already. */
  function stored(key: string, object: KubeObject, revision: number): CachedObject {
    const current = cache.get(key);
    return current?.revision === revision ? current : cachedObject(key, { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }, revision);
  }

  function validated(kind: AnyKind, object: KubeObject, before: KubeObject | undefined): KubeObject {
    const causes = [...validateMetadata(kind, object.metadata), ...kind.validate(object), ...(before === undefined ? [] : kind.validateUpdate(object, before))];
    if (causes.length > 0) throw invalid(qualifiedKind(kind), object.metadata.name ?? '', causes);
    return object;
  }

  function admitToNamespace(kind: AnyKind, namespace: string | undefined, name: string): void {
    if (!kind.namespaced || namespace === undefined) return;
    const found = cache.get(objectStorageKey(NAMESPACE as unknown as AnyKind, { namespace: undefined, name: namespace }));
    if (found === undefined) throw notFound('namespaces', namespace);
    if (found.object.metadata.deletionTimestamp !== undefined) {
      throw forbidden(qualifiedResource(kind), name, `unable to create new content in namespace ${namespace} because it is being terminated`);
    }
  }

  async function create(held: readonly Mutation[], { kind, namespace, object, options }: { readonly kind: AnyKind; readonly namespace: string | undefined; readonly object: KubeObject; readonly options: WriteOptions }): Promise<CachedObject> {
    const strategy = strategyOf(kind);
    const base = object.metadata.generateName ?? '';
    const generated = (object.metadata.name ?? '') === '' && base !== '';
    const name = generated ? generateName(base, random) : object.metadata.name ?? '';
    admitToNamespace(kind, namespace, name);
    const { resourceVersion, selfLink: _s, managedFields: _m, deletionTimestamp: _d, deletionGracePeriodSeconds: _g, ...metadata } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== '') throw new ApiError('BadRequest', 'resourceVersion should not be set on objects to be created');
    const { status: _status, ...rest } = object;
    const withStatus = kind.subresources.includes('status') && strategy.keepsStatusAtCreation !== true ? rest as KubeObject : object;
    const draft: KubeObject = kind.defaults({
      ...withStatus, apiVersion: kind.apiVersion, kind: kind.kind,
      metadata: withoutUndefined({ ...metadata, name, namespace: kind.namespaced ? namespace : undefined, uid: randomUUID(), creationTimestamp: timestamp(), generation: hasGeneration(kind) ? 1 : undefined }),
    });
    validated(kind, draft, undefined);
    const allocated = strategy.allocate?.(draft, undefined, context) ?? { object: draft, takes: false, release: () => {} };
    const key = objectStorageKey(kind, { namespace, name });
    try {
      if (options.dryRun) {
        if (cache.get(key) !== undefined) throw alreadyExists(qualifiedResource(kind), name);
        return cachedObject(key, allocated.object, 0);
      }
      const revision = await commit(...(allocated.takes ? held : []), { type: 'put', key, value: encodeForStorage(allocated.object), expect: 0 });
      return stored(key, allocated.object, revision);
    } catch (error) {
      if (!isStorageError(error, 'Conflict') || error.key === ALLOCATIONS) throw error;
      if (generated) return await create(held, { kind, namespace, object, options });
      throw alreadyExists(qualifiedResource(kind), name);
    } finally {
      allocated.release();
    }
  }

  async function update(held: readonly Mutation[], { kind, ref, change, options }: { readonly kind: AnyKind; readonly ref: Ref; readonly change: (current: KubeObject) => KubeObject; readonly options: UpdateOptions }): Promise<CachedObject> {
    const key = objectStorageKey(kind, ref);
    const strategy = strategyOf(kind);
    for (let attempt = 0; ; attempt += 1) {
      const current = get(kind, ref);
      const before = current.object;
      const wanted = change(before);
      // A change that leaves the metadata as it found it insists on nothing: the version in it is ours, not the caller's.
      const insists = options.expectRevision ?? (wanted.metadata === before.metadata ? '' : wanted.metadata.resourceVersion ?? '');
      if (insists !== '' && insists !== before.metadata.resourceVersion) throw modified(kind, ref.name);
      if (wanted.metadata.uid !== undefined && wanted.metadata.uid !== before.metadata.uid) {
        throw conflict(qualifiedResource(kind), ref.name, `Precondition failed: UID in precondition: ${wanted.metadata.uid}, UID in object meta: ${before.metadata.uid}`);
      }
      let next = selectPart(kind, keepSystemMetadata(wanted, before), before, options.part);
      next = kind.defaults(next);
      const allocated = strategy.allocate?.(next, before, context) ?? { object: next, takes: false, release: () => {} };
      try {
        next = allocated.object;
        if (options.part === 'spec' && hasGeneration(kind) && !sameJson(next['spec'], before['spec'])) {
          next = { ...next, metadata: { ...next.metadata, generation: (before.metadata.generation ?? 1) + 1 } };
        }
        validated(kind, next, options.part === 'binding' ? undefined : before);
        const gone = next.metadata.deletionTimestamp !== undefined && mayGo(strategy, next);
        if (!gone && sameJson(strip(next), strip(before))) return current;
        if (options.dryRun) return cachedObject(key, { ...next, metadata: { ...next.metadata, resourceVersion: before.metadata.resourceVersion } }, current.revision);
        if (gone) {
          await commit({ type: 'delete', key, expect: current.revision });
          return cachedObject(key, next, current.revision);
        }
        const revision = await commit(...(allocated.takes ? held : []), { type: 'put', key, value: encodeForStorage(next), expect: current.revision });
        return stored(key, next, revision);
      } catch (error) {
        if (!isStorageError(error, 'Conflict') || error.key === ALLOCATIONS) throw error;
        if (insists !== '' || attempt >= ATTEMPTS) throw modified(kind, ref.name);
        await caughtUp();
      } finally {
        allocated.release();
      }
    }
  }

  async function remove(kind: AnyKind, ref: Ref, options: DeleteOptions): Promise<CachedObject | undefined> {
    const key = objectStorageKey(kind, ref);
    const strategy = strategyOf(kind);
    for (let attempt = 0; ; attempt += 1) {
      const current = get(kind, ref);
      const before = current.object;
      checkPreconditions(kind, before, options);
      const forbids = strategy.forbidsDeletion?.(before);
      if (forbids !== undefined) throw forbidden(qualifiedResource(kind), ref.name, forbids);
      const grace = strategy.gracePeriod?.(before, { gracePeriodSeconds: options.gracePeriodSeconds }) ?? 0;
      const marked = before.metadata.deletionTimestamp !== undefined;
      const finalizers = finalizersFor(before, options.propagationPolicy);
      const shorter = !marked || grace < (before.metadata.deletionGracePeriodSeconds ?? 0);
      const next: KubeObject = {
        ...(marked ? before : strategy.markDeleted?.(before) ?? before),
        metadata: withoutUndefined({
          ...before.metadata,
          finalizers: finalizers.length === 0 ? undefined : finalizers,
          deletionTimestamp: shorter ? new Date(Math.ceil((now() + grace * 1000) / 1000) * 1000).toISOString().replace('.000Z', 'Z') : before.metadata.deletionTimestamp,
          deletionGracePeriodSeconds: shorter ? grace : before.metadata.deletionGracePeriodSeconds,
        }),
      };
      const goes = (options.gracePeriodSeconds === 0 || grace === 0) && mayGo(strategy, next);
      if (options.dryRun) return current;
      try {
        if (goes) {
          await commit({ type: 'delete', key, expect: current.revision });
          return undefined;
        }
        if (sameJson(strip(next), strip(before))) return current;
        const revision = await commit({ type: 'put', key, value: encodeForStorage(next), expect: current.revision });
        return stored(key, next, revision);
      } catch (error) {
        if (!isStorageError(error, 'Conflict')) throw error;
        if (attempt >= ATTEMPTS) throw modified(kind, ref.name);
        await caughtUp();
      }
    }
  }

    return {
    cache, caughtUp, get, page, delete: remove,
    create: (kind, namespace, object, options) => guard(strategyOf(kind), (held) => create(held, { kind, namespace, object, options })),
    update: (kind, ref, change, options) => guard(strategyOf(kind), (held) => update(held, { kind, ref, change, options })),
  };
}

/** A marked object goes when nothing holds it and, for pods, its agent has said so by deleting it with no grace. */
function mayGo(strategy: Strategy, object: KubeObject): boolean {
  return (object.metadata.finalizers ?? []).length === 0 && strategy.isHeld?.(object) !== true
    && (strategy.gracePeriod === undefined || object.metadata.deletionGracePeriodSeconds === 0);
}

function finalizersFor(object: KubeObject, policy: PropagationPolicy | undefined): readonly string[] {
  const others = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FOREGROUND && finalizer !== ORPHAN);
  switch (policy) {
    case 'Foreground': return [...others, FOREGROUND];
    case 'Orphan': return [...others, ORPHAN];
    case 'Background': return others;
    case undefined: return object.metadata.finalizers ?? [];
  }
}

function checkPreconditions(kind: AnyKind, object: KubeObject, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const fail = (what: string, wanted: string, is: string | undefined): never => {
    throw conflict(qualifiedResource(kind), object.metadata.name ?? '', `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${is}`);
  };
  if (uid !== undefined && uid !== object.metadata.uid) fail('UID', uid, object.metadata.uid);
  if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion) fail('ResourceVersion', resourceVersion, object.metadata.resourceVersion);
}

/** A status write changes the status alone; a spec write everything but the status, where there is a status subresource. */
function selectPart(kind: AnyKind, next: KubeObject, before: KubeObject, part: Part): KubeObject {
  const { status: nextStatus, ...nextRest } = next;
  const { status: beforeStatus, ...beforeRest } = before;
  switch (part) {
    case 'status':
      return { ...beforeRest, status: nextStatus };
    case 'binding':
      return next;
    case 'finalize':
      return { ...before, spec: next['spec'] };
    case 'spec':
      return kind.subresources.includes('status') ? { ...nextRest, ...(beforeStatus === undefined ? {} : { status: beforeStatus }) } : next;
  }
}

function modified(kind: AnyKind, name: string): ApiError {
  return conflict(qualifiedResource(kind), name, 'the object has been modified; please apply your changes to the latest version and try again');
}

const GENERATION_KINDS = new Set(KINDS.filter((kind) => kind.subresources.includes('status')).map((kind) => kind.kind));

function hasGeneration(kind: AnyKind): boolean {
  return GENERATION_KINDS.has(kind.kind) && kind.kind !== 'Namespace' && kind.kind !== 'Node' && kind.kind !== 'Service';
}

function strip(object: KubeObject): unknown {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Equality of JSON values, whatever the order of keys; undefined counts as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) if (!sameJson(a[key], b[key])) return false;
  return true;
}

