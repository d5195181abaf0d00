// Every way a runtime call fails. Adapters return codes; JavaScript throws in one place.

export const RUNTIME_ERROR_CODES = [
  'NotWasm', 'Truncated', 'NotAComponent', 'UnsupportedImport', 'NoEntryPoint', 'CompileFailed', 'IncompatibleArtifact',
  'TooComplex', 'AlreadyExists', 'LimitTooSmall', 'BadGrant', 'Unsupported', 'Trap', 'OOMKilled', 'DeadlineExceeded', 'Stopped', 'NoResponse', 'RequestTooLarge', 'HeadersTooLarge',
  'PortInUse', 'PermissionDenied', 'AddressUnavailable', 'Overloaded', 'BadCertificate', 'AddonMissing', 'Io', 'Internal',
] as const;

export type RuntimeErrorCode = (typeof RUNTIME_ERROR_CODES)[number];

/** `message` says what and where for people; programs look at `code`, never at the text. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  constructor(code: RuntimeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function isRuntimeError(value: unknown): value is RuntimeError {
  return value instanceof RuntimeError;
}
