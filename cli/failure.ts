// An error for people: what happened, where, and what to do. Everything a command throws is turned into one of these in one place.

import { isApiError } from '@copepod/api/errors';
import { isKubeconfigError, isTransportError } from '@copepod/client/rest';

export class Failure extends Error {
  override readonly name = 'Failure';
  readonly hint: string | undefined;
  /** 1: it could not be done; 2: it was asked for wrongly. */
  readonly exitCode: 1 | 2;
  constructor(message: string, options: ErrorOptions & { hint?: string | undefined; exitCode?: 1 | 2 } = {}) {
    super(message, options);
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? 1;
  }
}

export function usage(message: string, hint?: string): Failure {
  return new Failure(message, { exitCode: 2, hint });
}

/** Undefined for errors nobody foresaw: those are shown with their stack. */
export function explain(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error;
  if (isKubeconfigError(error)) return new Failure(error.message, { cause: error });
  if (isTransportError(error)) return new Failure(error.message, { hint: error.hint, cause: error });
  if (isApiError(error)) {
    const hint = error.reason === 'Unauthorized' ? 'the identity in the kubeconfig is not of this cluster: use the kubeconfig the cluster wrote' : undefined;
    return new Failure(`the server refused (${error.reason}): ${error.message}`, { hint, cause: error });
  }
  return undefined;
}
