// Which objects of a collection a request means: labels, fields, and the page it asks for.

import { badRequest, expired } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import { type KubeObject, matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector } from '@copepod/api/meta';

export type Matcher = (object: KubeObject) => boolean;

/** ApiError BadRequest when a selector cannot be read or names a field the kind cannot be selected by. */
export function matcherOf(kind: AnyKind, query: URLSearchParams, name: string | undefined): Matcher {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '');
  const known = ['metadata.name', 'metadata.namespace', ...kind.selectableFields];
  for (const { path } of fields) {
    if (!known.includes(path)) throw badRequest(`field label not supported: ${path}; ${kind.plural} can be selected by ${known.join(', ')}`);
  }
  return (object) => (name === undefined || object.metadata.name === name) && matchesLabels(labels, object.metadata.labels) && matchesFields(fields, object);
}

export interface Page {
  readonly limit: number | undefined;
  /** The key the previous page ended with. */
  readonly after: string | undefined;
}

export function pageOf(query: URLSearchParams): Page {
  const limit = Number(query.get('limit') ?? '0');
  if (!Number.isSafeInteger(limit) || limit < 0) throw badRequest(`limit is ${JSON.stringify(query.get('limit'))}: it must be a whole number`);
  const token = query.get('continue') ?? '';
  if (token === '') return { limit: limit === 0 ? undefined : limit, after: undefined };
  const after = Buffer.from(token, 'base64url').toString();
  if (!after.startsWith('/registry/')) throw expired('the continue token cannot be read: list again without it');
  return { limit: limit === 0 ? undefined : limit, after };
}

export function continueToken(key: string): string {
  return Buffer.from(key).toString('base64url');
}
