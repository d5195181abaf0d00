// Public names of the error vocabulary.
export type { FieldError, FieldErrorReason } from './field-error.ts';
export {
  describeFieldErrors, duplicateField, FIELD_ERROR_REASONS, forbiddenField, invalidField, mistypedField, requiredField, tooLongField,
  tooManyField, unknownField, unsupportedField,
} from './field-error.ts';
export type { ApiErrorOptions } from './api-error.ts';
export {
  alreadyExists, ApiError, badRequest, conflict, expired, forbidden, fromStatus, gone, insufficientStorage, internalError, invalid,
  isAlreadyExists, isApiError, isBadRequest, isConflict, isExpired, isForbidden, isInvalid, isNotFound, isTooManyRequests, isUnauthorized,
  methodNotAllowed, notAcceptable, notFound, requestEntityTooLarge, serviceUnavailable, timeout, tooManyRequests, unauthorized,
  unsupportedMediaType,
} from './api-error.ts';
export type { Status, StatusCause, StatusDetails, StatusReason } from './status.ts';
export { isStatus, isStatusReason, reasonForCode, STATUS_CODES, successStatus } from './status.ts';
