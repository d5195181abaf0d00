// The one error class of the API. Everyone looks at `reason`; the text is for people and is never parsed.
// `details.causes` carries the field errors of an Invalid object.

import { describeFieldErrors } from './field-error.ts';
import type { Status, StatusCause, StatusDetails, StatusReason } from './status.ts';
import { isStatusReason, reasonForCode, STATUS_CODES } from './status.ts';

export interface ApiErrorOptions extends ErrorOptions {
  readonly details?: StatusDetails;
  /** Only when another server answered with an unusual one; otherwise the table decides. */
  readonly code?: number;
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, message: string, options: ApiErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.reason = reason;
    this.code = options.code ?? STATUS_CODES[reason];
    this.details = options.details;
  }

  toStatus(): Status {
    return {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** Accepts what any server of the protocol sends; an unknown or missing reason is told by the code. */
export function fromStatus(status: Status): ApiError {
  const reason = isStatusReason(status.reason) ? status.reason : reasonForCode(status.code);
  return new ApiError(reason, status.message ?? reason, {
    code: status.code >= 400 && status.code <= 599 ? status.code : STATUS_CODES[reason],
    ...(status.details === undefined ? {} : { details: status.details }),
  });
}

/** `resource` is the plural, with its group when it has one: `pods`, `deployments.apps`. */
export function notFound(resource: string, name: string): ApiError {
  return new ApiError('NotFound', `${resource} "${name}" not found`, { details: about(resource, name) });
}

export function alreadyExists(resource: string, name: string): ApiError {
  return new ApiError('AlreadyExists', `${resource} "${name}" already exists`, { details: about(resource, name) });
}

export function conflict(resource: string, name: string, why: string): ApiError {
  return new ApiError('Conflict', `Operation cannot be fulfilled on ${resource} "${name}": ${why}`, { details: about(resource, name) });
}

/** `kind` with its group when it has one: `Pod`, `Deployment.apps`. */
export function invalid(kind: string, name: string, causes: readonly StatusCause[]): ApiError {
  return new ApiError('Invalid', `${kind} "${name}" is invalid: ${describeFieldErrors(causes)}`, {
    details: { ...about(kind, name), causes },
  });
}

export function badRequest(message: string, causes?: readonly StatusCause[], cause?: unknown): ApiError {
  return new ApiError('BadRequest', message, {
    ...(causes === undefined ? {} : { details: { causes } }),
    ...(cause === undefined ? {} : { cause }),
  });
}

export function unauthorized(message = 'Unauthorized'): ApiError {
  return new ApiError('Unauthorized', message);
}

export function forbidden(resource: string, name: string, why: string): ApiError {
  const what = name === '' ? `${resource} is forbidden` : `${resource} "${name}" is forbidden`;
  return new ApiError('Forbidden', `${what}: ${why}`, { details: about(resource, name) });
}

export function expired(message: string): ApiError {
  return new ApiError('Expired', message);
}

export function gone(message: string): ApiError {
  return new ApiError('Gone', message);
}

export function methodNotAllowed(resource: string, verb: string): ApiError {
  return new ApiError('MethodNotAllowed', `${verb} is not supported on ${resource}`, { details: about(resource, '') });
}

export function notAcceptable(message: string): ApiError {
  return new ApiError('NotAcceptable', message);
}

export function unsupportedMediaType(message: string): ApiError {
  return new ApiError('UnsupportedMediaType', message);
}

export function requestEntityTooLarge(message: string): ApiError {
  return new ApiError('RequestEntityTooLarge', message);
}

export function tooManyRequests(message: string, retryAfterSeconds: number): ApiError {
  return new ApiError('TooManyRequests', message, { details: { retryAfterSeconds } });
}

export function internalError(message: string, cause?: unknown): ApiError {
  return new ApiError('InternalError', `Internal error occurred: ${message}`, cause === undefined ? {} : { cause });
}

export function serviceUnavailable(message: string, cause?: unknown): ApiError {
  return new ApiError('ServiceUnavailable', message, cause === undefined ? {} : { cause });
}

export function timeout(message: string): ApiError {
  return new ApiError('Timeout', message);
}

export function insufficientStorage(message: string, cause?: unknown): ApiError {
  return new ApiError('InsufficientStorage', message, cause === undefined ? {} : { cause });
}

export function isApiError(value: unknown, reason?: StatusReason): value is ApiError {
  return value instanceof ApiError && (reason === undefined || value.reason === reason);
}

export function isNotFound(value: unknown): value is ApiError {
  return isApiError(value, 'NotFound');
}

export function isAlreadyExists(value: unknown): value is ApiError {
  return isApiError(value, 'AlreadyExists');
}

export function isConflict(value: unknown): value is ApiError {
  return isApiError(value, 'Conflict');
}

export function isInvalid(value: unknown): value is ApiError {
  return isApiError(value, 'Invalid');
}

export function isBadRequest(value: unknown): value is ApiError {
  return isApiError(value, 'BadRequest');
}

export function isForbidden(value: unknown): value is ApiError {
  return isApiError(value, 'Forbidden');
}

export function isUnauthorized(value: unknown): value is ApiError {
  return isApiError(value, 'Unauthorized');
}

/** A resourceVersion or continue token is too old: list again. Servers say it with either reason. */
export function isExpired(value: unknown): value is ApiError {
  return isApiError(value, 'Expired') || isApiError(value, 'Gone');
}

export function isTooManyRequests(value: unknown): value is ApiError {
  return isApiError(value, 'TooManyRequests');
}

function about(qualified: string, name: string): StatusDetails {
  const dot = qualified.indexOf('.');
  const kind = dot === -1 ? qualified : qualified.slice(0, dot);
  return {
    ...(name === '' ? {} : { name }),
    ...(dot === -1 ? {} : { group: qualified.slice(dot + 1) }),
    kind,
  };
}
