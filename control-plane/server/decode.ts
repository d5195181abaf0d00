// Turns a request's body into an object of the kind it is sent to, by the schema; unknown fields are refused, warned of, or dropped,
// as the client asked with `fieldValidation`.

import { badRequest, describeFieldErrors, invalid, unsupportedMediaType } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import { fieldAt, isRecord, type KubeObject } from '@copepod/api/meta';
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch } from '@copepod/api/patch';
import { checkStruct } from '@copepod/api/schema';

export interface Decoded {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

/** ApiError BadRequest (not an object, another kind, unknown fields when strict) or Invalid (wrong types, missing fields). */
export function decodeObject(kind: AnyKind, body: unknown, fieldValidation: string): Decoded {
  if (!isRecord(body)) throw badRequest(`the body is ${body === undefined ? 'empty' : 'not an object'}: send a ${kind.kind} as JSON or YAML`);
  const { apiVersion = kind.apiVersion, kind: name = kind.kind } = body;
  if (apiVersion !== kind.apiVersion || name !== kind.kind) {
    throw badRequest(`the body is a ${String(name)} of ${String(apiVersion)}, and this path takes a ${kind.kind} of ${kind.apiVersion}`);
  }
  const checked = checkStruct(kind.struct, { metadata: {}, ...body, apiVersion, kind: kind.kind });
  if (checked.unknown.length > 0 && fieldValidation === 'Strict') {
    const what = checked.unknown.map((error) => error.message).join(', ');
    throw badRequest(`${kind.kind} in version "${kind.apiVersion.replace(/^.*\//, '')}" cannot be handled as a ${kind.kind}: strict decoding error: ${what}`, checked.unknown);
  }
  if (checked.wrong.length > 0) {
    const object = checked.value as KubeObject;
    throw invalid(kind.kind, fieldAt(object, 'metadata.name'), checked.wrong);
  }
  const warnings = fieldValidation === 'Ignore' ? [] : checked.unknown.map((error) => describeFieldErrors([error]));
  return { object: checked.value as KubeObject, warnings };
}

/** The object a patch makes of `current`. ApiError UnsupportedMediaType names the types there are. */
export function patchObject(struct: string, current: unknown, patch: unknown, contentType: string): unknown {
  switch (contentType.replace(/;.*$/, '').trim()) {
    case 'application/json-patch+json':
      return applyJsonPatch(current, patch);
    case 'application/merge-patch+json':
      if (!isRecord(patch)) throw badRequest('a merge patch is an object');
      return applyMergePatch(current, patch);
    case 'application/strategic-merge-patch+json':
      return applyStrategicMergePatch(struct, current, patch);
    default:
      throw unsupportedMediaType(`a patch of type ${contentType} is not served: use application/json-patch+json, application/merge-patch+json or application/strategic-merge-patch+json (kubectl apply without --server-side)`);
  }
}
