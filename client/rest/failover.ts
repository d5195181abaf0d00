// Several servers of one cluster as one transport: the one that answered last is asked first, the next when a connection to it fails.
// A server that was given up is given up by its watches too, so that one which says nothing more holds nobody.

import type { ApiRequest, ApiResponse, Transport } from './transport.ts';
import { isTransportError, TransportError } from './transport-error.ts';

interface Server {
  readonly transport: Transport;
  readonly streams: Set<AbortController>;
}

/** What was asked of a server that nothing answered at was not done by it; anything read may be asked again whatever happened. */
function mayAskAnother(error: unknown, request: ApiRequest): boolean {
  if (request.signal?.aborted === true || !isTransportError(error)) return false;
  return error.code === 'Unreachable' || (request.method === 'GET' && (error.code === 'ConnectionLost' || error.code === 'Timeout'));
}

/** At least one; closing it closes them all. Errors are those of the server that was asked last. */
export function createFailoverTransport(transports: readonly Transport[]): Transport {
  const [only] = transports;
  if (only === undefined) throw new RangeError('no server to ask');
  if (transports.length === 1) return only;
  const servers = transports.map((transport): Server => ({ transport, streams: new Set() }));
  let preferred = 0;
  const at = (index: number): Server => servers[index % servers.length] as Server;

  function leave(index: number): void {
    if (preferred !== index % servers.length) return;
    preferred = (preferred + 1) % servers.length;
    for (const stream of at(index).streams) stream.abort();
  }

  /** Whether to go on with the next server; throws when not. */
  function judge(error: unknown, request: ApiRequest, { index, attempt }: { readonly index: number; readonly attempt: number }): void {
    if (isTransportError(error) && error.code !== 'Aborted') leave(index);
    if (attempt + 1 >= servers.length || !mayAskAnother(error, request)) throw error;
  }

  async function request(asked: ApiRequest): Promise<ApiResponse> {
    const start = preferred;
    for (let attempt = 0; ; attempt += 1) {
      const index = start + attempt;
      try {
        const response = await at(index).transport.request(asked);
        // It is there, but without a store: nothing was read.
        if (response.status !== 503 || asked.method !== 'GET' || attempt + 1 >= servers.length) return response;
        leave(index);
      } catch (error) {
        judge(error, asked, { index, attempt });
      }
    }
  }

  /** Tried elsewhere only until its first item: what came of one server cannot be gone on with by another. */
  async function* streamed<T>(asked: ApiRequest, open: (transport: Transport, asked: ApiRequest) => AsyncIterable<T>): AsyncGenerator<T> {
    const start = preferred;
    for (let attempt = 0; ; attempt += 1) {
      const index = start + attempt;
      const { transport, streams } = at(index);
      const given = new AbortController();
      streams.add(given);
      let begun = false;
      try {
        const signal = asked.signal === undefined ? given.signal : AbortSignal.any([asked.signal, given.signal]);
        for await (const item of open(transport, { ...asked, signal })) {
          begun = true;
          yield item;
        }
        return;
      } catch (cause) {
        const error = given.signal.aborted && asked.signal?.aborted !== true ? new TransportError('ConnectionLost', 'the server was given up for another', { cause }) : cause;
        if (begun) {
          if (isTransportError(error) && error.code !== 'Aborted') leave(index);
          throw error;
        }
        judge(error, asked, { index, attempt });
      } finally {
        streams.delete(given);
      }
    }
  }

  return {
    request,
    watch: (asked) => streamed(asked, (transport, inner) => transport.watch(inner)),
    stream: (asked) => streamed(asked, (transport, inner) => transport.stream(inner)),
    async close() {
      await Promise.all(transports.map((transport) => transport.close()));
    },
  };
}
