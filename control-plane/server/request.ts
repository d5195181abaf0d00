// What a request asks for, read off its path, as Kubernetes lays paths out: /api/v1/…, /apis/<group>/<version>/….

import { type AnyKind, KINDS } from '@copepod/api/kinds';

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

export interface ServerRequest {
  readonly method: string;
  /** Percent-decoded segments. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** Decoded; undefined when there was none. */
  readonly body: unknown;
  readonly contentType: string;
  readonly accept: string;
  readonly user: User;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

export interface Target {
  readonly verb: Verb;
  readonly apiVersion: string;
  readonly plural: string;
  /** Undefined when no such resource is served. */
  readonly kind: AnyKind | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Undefined when the path is not of a resource. */
export function parseTarget(request: ServerRequest): Target | undefined {
  const [root, ...rest] = request.segments;
  const apiVersion = root === 'api' ? rest[0] : root === 'apis' && rest.length > 1 ? `${rest[0]}/${rest[1]}` : undefined;
  if (apiVersion === undefined) return undefined;
  const path = rest.slice(root === 'api' ? 1 : 2);
  if (path.length === 0) return undefined;
  const scoped = path[0] === 'namespaces' && path.length > 2 && path[2] !== 'status' && path[2] !== 'finalize';
  const namespace = scoped ? path[1] : undefined;
  const [plural = '', name, subresource, ...more] = scoped ? path.slice(2) : path;
  if (more.length > 0) return undefined;
  const kind = KINDS.find((known) => known.apiVersion === apiVersion && known.plural === plural);
  return { verb: verbOf(request, name), apiVersion, plural, kind, namespace, name, subresource };
}

function verbOf({ method, query }: ServerRequest, name: string | undefined): Verb {
  switch (method) {
    case 'POST': return 'create';
    case 'PUT': return 'update';
    case 'PATCH': return 'patch';
    case 'DELETE': return name === undefined ? 'deletecollection' : 'delete';
    default: {
      const watch = query.get('watch');
      if (watch !== null && watch !== 'false' && watch !== '0') return 'watch';
      return name === undefined ? 'list' : 'get';
    }
  }
}
