// The one way in: a decoded request of a known user becomes an answer. HTTP and in-process callers both come through here.

import { isApiError, notFound } from '@copepod/api/errors';
import { KINDS } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import { objectStorageKey, type Registry } from '../registry/index.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { authorize, type Lookup } from './authorize.ts';
import { coreVersions, groupInfo, groupList, resourceList, versionInfo } from './discovery.ts';
import { openApiIndex, openApiV2, openApiV3 } from './openapi.ts';
import { OPENAPI_PROTOBUF, OPENAPI_PROTOBUF_REPLY, openApiProtobuf } from './openapi-protobuf.ts';
import { parseTarget, type ServerRequest, type Target } from './request.ts';
import { createResourceVerbs, type ResourceOptions } from './resources.ts';

export interface DispatchOptions extends ResourceOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Of Copepod, e.g. `0.1.0`. */
  readonly release: string;
  /** Undefined when all is well, else what is not. */
  readonly health: () => Promise<string | undefined>;
}

export type Dispatch = (request: ServerRequest) => Promise<Answer>;

export function createDispatch(options: DispatchOptions): Dispatch {
  const verbs = createResourceVerbs(options);
  const lookup: Lookup = (plural, namespace, name) => {
    const kind = KINDS.find((known) => known.plural === plural);
    return kind === undefined ? undefined : options.registry.cache.get(objectStorageKey(kind, { namespace, name }))?.object;
  };

  return async (request) => {
    const open = await openPaths(request, options);
    if (open !== undefined) return open;
    const target = parseTarget(request);
    if (target !== undefined) {
      if (!mayBeOld(request, target)) await options.registry.caughtUp();
      authorize(request.user, target, request.body, lookup);
      if (target.kind === undefined) throw notFound(target.plural, target.name ?? '');
      return verbs(request, { ...target, kind: target.kind });
    }
    throw notFound(`/${request.segments.join('/')}`, '');
  };
}

/** Kubernetes' `resourceVersion=0` takes what the cache has; a watch from a revision waits for it by itself. */
function mayBeOld({ query }: ServerRequest, { verb }: Target): boolean {
  const version = query.get('resourceVersion') ?? '';
  return verb === 'watch' ? version !== '' : (verb === 'list' || verb === 'get') && version === '0';
}

/** What everyone may see: that the server lives, and what it speaks. */
async function openPaths({ method, segments, accept }: ServerRequest, options: DispatchOptions): Promise<Answer | undefined> {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const [root = '', ...rest] = segments;
  const found = (value: object | undefined): Answer | undefined => (value === undefined ? undefined : jsonAnswer(value));
  switch (root) {
    case 'version': return jsonAnswer(versionInfo(options.release));
    case 'livez': case 'healthz': case 'readyz': {
      const problem = root === 'livez' ? undefined : await options.health();
      return { is: 'text', status: problem === undefined ? 200 : 503, text: problem ?? 'ok' };
    }
    case 'api':
      if (rest.length === 0) return jsonAnswer(coreVersions());
      return rest.length === 1 ? found(resourceList(rest[0] ?? '')) : undefined;
    case 'apis':
      if (rest.length === 0) return jsonAnswer(groupList());
      if (rest.length === 1) return found(groupInfo(rest[0] ?? ''));
      return rest.length === 2 ? found(resourceList(rest.join('/'))) : undefined;
    case 'openapi':
      if (rest[0] === 'v2' && accept.includes(OPENAPI_PROTOBUF)) return { is: 'stream', contentType: OPENAPI_PROTOBUF_REPLY, chunks: once(openApiProtobuf(openApiV2())) };
      if (rest[0] === 'v2') return jsonAnswer(openApiV2());
      if (rest[0] === 'v3' && rest.length === 1) return jsonAnswer(openApiIndex());
      return rest[0] === 'v3' ? found(openApiV3(rest.slice(2).join('/'))) : undefined;
    default:
      return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The Status of anything thrown; what is not an ApiError is the server's own fault, and its words stay in the log. */
export function statusOf(error: unknown, onInternal: (error: unknown) => void): Answer {
  if (isApiError(error)) return jsonAnswer(error.toStatus(), error.code);
  onInternal(error);
  const message = 'Internal error occurred: the server failed to answer; its log says why';
  return jsonAnswer({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 }, 500);
}
