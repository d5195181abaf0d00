// How a participant reaches the API. Two implementations: HTTPS (`https.ts`) and in-process (the control plane hands
// one out), so that controllers run unchanged on either side of a socket.

import type { WatchEvent } from '@copepod/api/watch';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ApiRequest {
  readonly method: Method;
  /** Absolute path without query, each segment already percent-encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Owned by the transport once passed: callers do not mutate it afterwards. */
  readonly body?: unknown;
  /** Of the body; default `application/json`. Patches name their type. */
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

export interface ApiResponse {
  readonly status: number;
  /** Decoded JSON; frozen when it comes from in-process. A `Status` object when status >= 400. */
  readonly body: unknown;
}

export interface Transport {
  /** Resolves for every HTTP status; rejects with TransportError only when no answer came. */
  request(request: ApiRequest): Promise<ApiResponse>;
  /** A watch: events in order until the server ends it (the iterator returns) or it breaks (throws ApiError or TransportError). */
  watch(request: ApiRequest): AsyncIterable<WatchEvent>;
  /** Raw body bytes as they come, e.g. the `log` subresource. Throws ApiError when status >= 400. */
  stream(request: ApiRequest): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}
