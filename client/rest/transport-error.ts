// Why no answer came. Programs look at `code`; people read `message` (what and where) and `hint` (how to mend).

export type TransportErrorCode =
  /** Nothing listens there, the name does not resolve, or the network is down. */
  | 'Unreachable'
  /** The server's certificate is not of the authority, or not for the name, this client was given. */
  | 'UntrustedServer'
  /** The server ended the handshake because of this client's certificate. */
  | 'IdentityRejected'
  | 'Timeout'
  /** The connection was lost while an answer was on its way. */
  | 'ConnectionLost'
  /** What came is not what the protocol says. */
  | 'BadAnswer'
  /** The caller's own signal. */
  | 'Aborted';

export interface TransportErrorOptions extends ErrorOptions {
  readonly server?: string;
  readonly hint?: string;
}

export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;
  readonly server: string | undefined;
  readonly hint: string | undefined;
  constructor(code: TransportErrorCode, message: string, options?: TransportErrorOptions) {
    super(message, options);
    this.code = code;
    this.server = options?.server;
    this.hint = options?.hint;
  }
}

export function isTransportError(value: unknown, code?: TransportErrorCode): value is TransportError {
  return value instanceof TransportError && (code === undefined || value.code === code);
}
