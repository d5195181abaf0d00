// The suite's HTTP client: one connection for each request, with everything of the answer in hand.

import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string | undefined>>;
}

export interface Asked {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Sent after the body, which is then chunked. */
  readonly trailers?: Readonly<Record<string, string>>;
  /** Address to connect to; default 127.0.0.1. */
  readonly address?: string;
}

/** Longer than any answer of the suite takes; what is not there then is not coming. */
const PATIENCE_MS = 40_000;

/** Rejects when the connection breaks before the answer is whole. */
export function ask(port: number, host: string, { path = '/', method = 'GET', headers = {}, body, trailers, address = '127.0.0.1' }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const announced = trailers === undefined ? {} : { trailer: Object.keys(trailers).join(', ') };
    const options: RequestOptions = { host: address, port, path, method, headers: { host, ...announced, ...headers }, agent: false };
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('aborted', () => reject(new Error('the answer was broken off')));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString(), trailers: response.trailers }));
    });
    outgoing.on('error', reject);
    outgoing.setTimeout(PATIENCE_MS, () => outgoing.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    if (body !== undefined) outgoing.write(body);
    if (trailers !== undefined) outgoing.addTrailers(trailers);
    outgoing.end();
  });
}
