// The Status object and the one table that decides an HTTP code. Reasons are Kubernetes' own words, plus
// InsufficientStorage (507) for a full disk. A reason that is not in the table cannot be put on the wire.

export const STATUS_CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServerTimeout: 500,
  StoreReadError: 500,
  NotImplemented: 501,
  BadGateway: 502,
  ServiceUnavailable: 503,
  Timeout: 504,
  InsufficientStorage: 507,
} as const;

export type StatusReason = keyof typeof STATUS_CODES;

export interface StatusCause {
  /** For field errors one of FIELD_ERROR_REASONS. */
  readonly reason?: string;
  readonly message?: string;
  /** Path of the field, e.g. `spec.template.spec.containers[0].image`. */
  readonly field?: string;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  /** The plural resource name, except for Invalid, where it is the kind. */
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

/** What an API server answers when there is no object to answer with. */
export interface Status {
  readonly apiVersion: 'v1';
  readonly kind: 'Status';
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: StatusDetails;
  readonly code: number;
}

export function isStatusReason(value: unknown): value is StatusReason {
  return typeof value === 'string' && Object.hasOwn(STATUS_CODES, value);
}

/** The reason that stands for an HTTP code when the answer names none. */
export function reasonForCode(code: number): StatusReason {
  switch (code) {
    case 409:
      return 'Conflict';
    case 410:
      return 'Expired';
    case 500:
      return 'InternalError';
    default: {
      for (const [reason, known] of Object.entries(STATUS_CODES)) {
        if (known === code && isStatusReason(reason)) return reason;
      }
      return code >= 500 ? 'InternalError' : 'BadRequest';
    }
  }
}

/** The answer to a delete, and to other requests that succeed without an object. */
export function successStatus(details?: StatusDetails): Status {
  return {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: 'Success',
    ...(details === undefined ? {} : { details }),
    code: 200,
  };
}

export function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status' && 'code' in value
    && typeof value.code === 'number';
}
