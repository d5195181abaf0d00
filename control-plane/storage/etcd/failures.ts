// What a failed call means. etcd tells its errors apart by gRPC code and by words of its own, which have not changed since 3.0; this
// table is the only place that knows them.

import { status as codes } from '@grpc/grpc-js';
import { StorageError } from '../errors.ts';

/**
 * What may have become of the request: `refused` has an answer; `notDone` was never taken up and may be sent again; `unknown` may have
 * been done; `token` needs a new login, and was not done.
 */
export type Fate = 'refused' | 'notDone' | 'unknown' | 'token';

export interface Failure {
  readonly fate: Fate;
  readonly error: StorageError;
}

interface CallError {
  readonly code: number;
  readonly details: string;
}

/** gRPC's codes as the plain numbers errors carry. */
const [DATA_LOSS, PERMISSION_DENIED, UNAUTHENTICATED, UNIMPLEMENTED, INVALID_ARGUMENT] = [codes.DATA_LOSS, codes.PERMISSION_DENIED, codes.UNAUTHENTICATED, codes.UNIMPLEMENTED, codes.INVALID_ARGUMENT].map(Number);
/** Nobody knows what became of the request. */
const SILENT: ReadonlySet<number> = new Set([codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED, codes.CANCELLED, codes.INTERNAL, codes.UNKNOWN].map(Number));

/** Words of gRPC for a request that never left, and of etcd for one that was turned away at the door. */
const NOT_DONE = /^(No connection established|Name resolution failed|Stream refused by server|Channel has been shut down)|no leader|too many requests|not leader|not capable|server stopped/;

export function isCallError(error: unknown): error is CallError & Error {
  return error instanceof Error && typeof (error as Partial<CallError>).code === 'number' && typeof (error as Partial<CallError>).details === 'string';
}

/** `endpoint`: who was asked. */
export function judge(cause: unknown, endpoint: string): Failure {
  if (!isCallError(cause)) return { fate: 'unknown', error: new StorageError('Unavailable', `etcd at ${endpoint}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }) };
  const { code, details } = cause;
  const fail = (fate: Fate, kind: StorageError['code'], message: string): Failure => ({ fate, error: new StorageError(kind, message, { cause }) });
  if (/revision has been compacted/.test(details)) return fail('refused', 'Compacted', 'the revision is no longer kept by etcd');
  if (/is a future revision/.test(details)) return fail('refused', 'Future', 'the revision is not reached yet by etcd');
  if (/lease not found/.test(details)) return fail('refused', 'NoLease', 'the lease is over or never was');
  if (/database space exceeded/.test(details)) return fail('refused', 'NoSpace', 'etcd has reached its space quota: compact and defragment it, then disarm its alarm (etcdctl alarm disarm)');
  if (/request is too large/.test(details)) return fail('refused', 'Invalid', 'the value is larger than etcd takes (--max-request-bytes, 1.5 MiB unless told otherwise)');
  if (/invalid auth token|auth token is not provided|revision of auth store is old/.test(details)) return fail('token', 'Unavailable', `etcd at ${endpoint} asks for a new login`);
  if (code === DATA_LOSS) return fail('refused', 'Corrupt', `etcd at ${endpoint} says its data are corrupt: ${details}`);
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED || /authentication|user name is empty/.test(details)) return fail('refused', 'Unavailable', `etcd at ${endpoint} refuses this user: ${details}; the user's role needs readwrite on the prefix and read on all keys`);
  if (code === UNIMPLEMENTED) return fail('refused', 'Unavailable', `${endpoint} is not etcd 3.4 or later: ${details}`);
  if (NOT_DONE.test(details)) return fail('notDone', 'Unavailable', `etcd at ${endpoint} cannot serve: ${details}`);
  if (SILENT.has(code)) return fail('unknown', 'Unavailable', `etcd at ${endpoint} did not answer: ${details}`);
  return fail('refused', code === INVALID_ARGUMENT ? 'Invalid' : 'Io', `etcd at ${endpoint}: ${details}`);
}
