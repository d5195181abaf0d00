// Why a process could not start, in words that say what to do.

import { isStorageError, LockError, SealError } from '@copepod/control-plane';
import { isRuntimeError, JoinError } from '@copepod/node-agent';
import { Failure } from '../failure.ts';

/** `ports`: flag → the port asked for. */
export function startFailure(error: unknown, ports: Readonly<Record<string, number>>): unknown {
  if (error instanceof LockError || error instanceof SealError || error instanceof JoinError || isStorageError(error)) return new Failure(error.message, { cause: error });
  const { code, port, message, syscall, path } = error as NodeJS.ErrnoException & { readonly port?: number };
  // Node says ENOENT of a directory it may not make on a read-only file system, so the code alone would mislead.
  if (syscall === 'mkdir') return new Failure(`the directory ${path} cannot be made (${code})`, { hint: 'choose another place with --data-dir: is it below a file, or on a read-only file system?', cause: error });
  const flag = Object.entries(ports).find(([, wanted]) => wanted !== 0 && (wanted === port || message?.includes(`:${wanted}`)))?.[0];
  if (code === 'EADDRINUSE' || (isRuntimeError(error) && error.code === 'PortInUse')) {
    const hint = flag === undefined ? undefined : `stop what has the port, or choose another with ${flag} (0 picks a free one)`;
    return new Failure(`port ${port ?? (flag === undefined ? '' : ports[flag])} is in use`, { hint, cause: error });
  }
  if (code === 'EACCES' && port !== undefined) return new Failure(`this user may not listen on port ${port}`, { hint: `choose one above 1023${flag === undefined ? '' : ` with ${flag}`}`, cause: error });
  if (code === 'EACCES' || code === 'EROFS') return new Failure(message, { hint: 'choose another place with --data-dir, or mend its permissions', cause: error });
  if (isRuntimeError(error)) return new Failure(error.message, { cause: error });
  return error;
}
