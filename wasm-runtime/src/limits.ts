// How far a workload may go. Every limit has a value, none can be switched off, and each counts how often it was met.

import { availableParallelism } from 'node:os';

/** Names of limits as statistics count them. */
export const LIMIT_NAMES = [
  'memory', 'tableElements', 'requestTime', 'cpu', 'concurrency', 'requestBody', 'responseBody', 'headers', 'log', 'handles', 'sockets', 'files', 'egress',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

export interface Limits {
  /** All linear memories of one instance together, bytes: 64 KiB to 1 GiB. Past it the instance is ended: OOMKilled. */
  readonly memoryBytes: number;
  /** Elements of any one table of an instance, 32,768 at most. */
  readonly tableElements: number;
  /** Wall time of one request (service), milliseconds. Past it the instance is ended: DeadlineExceeded. A command has none. */
  readonly requestTimeoutMs: number;
  /** Thousandths of a core, over all instances. Guests past it are paused, not ended. */
  readonly cpuMillis: number;
  /** Requests under way; as many again wait, further ones are answered 503. */
  readonly concurrency: number;
  /** Past it a request is answered 413, or its body ends with an error. */
  readonly requestBodyBytes: number;
  /** Past it a response is broken off. */
  readonly responseBodyBytes: number;
  /** Names and values of a request's headers (past it: 431), and of each set of headers a guest makes. */
  readonly headerBytes: number;
  /** Lines past it are lost, and the log says how many. */
  readonly logBytesPerSecond: number;
  /** Handles an instance may hold, of whatever kind. */
  readonly handles: number;
  /** Sockets an instance may hold. */
  readonly sockets: number;
  /** Files an instance may hold, beside its preopened directories. */
  readonly files: number;
  /** Requests to the outside that may be open at once, over all instances. */
  readonly egressConnections: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = Object.freeze({
  memoryBytes: 64 * MIB,
  tableElements: 32_768,
  requestTimeoutMs: 30_000,
  cpuMillis: availableParallelism() * 1000,
  concurrency: 1000,
  requestBodyBytes: 16 * MIB,
  responseBodyBytes: 64 * MIB,
  headerBytes: 32 * 1024,
  logBytesPerSecond: MIB,
  handles: 1024,
  sockets: 64,
  files: 64,
  egressConnections: 32,
});

/** Whether an instance answers more than one request. */
export type Reuse =
  /** A fresh one each time: nothing of a request is there in the next. */
  | { readonly is: 'request' }
  /**
   * The same one again: for `max` requests in its life, dropped when none came for `idleMs`. One of WASI 0.3 answers `concurrent` of them at the same time; one
   * of 0.2 answers one after the other. One that ended badly answers no more.
   */
  | { readonly is: 'pooled'; readonly max: number; readonly idleMs: number; readonly concurrent: number };

export const FRESH: Reuse = Object.freeze({ is: 'request' });
