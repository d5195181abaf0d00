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

export interface PageRequest {
  readonly limit: number | undefined;
  /** Where the page before ended, and the revision the first one was read at. */
  readonly from: { readonly revision: number; readonly key: string } | undefined;
}

/** ApiError BadRequest, and Expired for a token that cannot be read. */
export function pageOf(query: URLSearchParams): PageRequest {
  const limit = Number(query.get('limit') ?? '0');
  if (!Number.isSafeInteger(limit) || limit < 0) throw badRequest(`limit is ${JSON.stringify(query.get('limit'))}: it must be a whole number`);
  const token = query.get('continue') ?? '';
  const page = { limit: limit === 0 ? undefined : limit };
  if (token === '') return { ...page, from: undefined };
  const [, revision, key] = /^(\d{1,15}) (\/registry\/.*)$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (revision === undefined || key === undefined) throw expired('the continue token cannot be read: list again without it');
  return { ...page, from: { revision: Number(revision), key } };
}

export function continueToken(revision: number, key: string): string {
  return Buffer.from(`${revision} ${key}`).toString('base64url');
}
