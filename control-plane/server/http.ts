// HTTPS in front of the dispatcher: hono over TLS, HTTP/1.1 and HTTP/2, client certificates for identity. Bodies are read whole, up to
// a limit; watches and logs are streamed with the client's own back-pressure.

import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { badRequest, requestEntityTooLarge } from '@copepod/api/errors';
import { Hono } from 'hono';
import { parse as parseYaml } from 'yaml';
import { type Answer, listAsJson } from './answer.ts';
import { type Dispatch, statusOf } from './dispatch.ts';
import { ANONYMOUS, type ServerRequest, type User } from './request.ts';

/** Kubernetes' own limit of a request body is 3 MiB. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** Further routes, e.g. of artifacts; undefined when the path is none of theirs. */
export type Extension = (request: Request, user: User) => Promise<Response | undefined>;

export interface HttpOptions {
  readonly dispatch: Dispatch;
  readonly extensions: readonly Extension[];
  /** PEM. Clients with a certificate of `ca` are who it says they are. */
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly onInternal: (error: unknown) => void;
}

type Env = { Bindings: HttpBindings };

export function createHttpServer(options: HttpOptions): Http2SecureServer {
  const app = new Hono<Env>();
  app.all('*', async (context) => {
    const user = userOf(context.env.incoming.socket as TLSSocket);
    for (const extension of options.extensions) {
      const response = await extension(context.req.raw, user);
      if (response !== undefined) return response;
    }
    try {
      return render(await options.dispatch(await toServer(context.req.raw, user)), options.onInternal);
    } catch (error) {
      return render(statusOf(error, options.onInternal), options.onInternal);
    }
  });
  return createAdaptorServer({
    fetch: app.fetch,
    createServer: createSecureServer,
    serverOptions: { allowHTTP1: true, ...options.tls, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' },
  }) as Http2SecureServer;
}

/** A certificate that is not of the cluster's CA is no identity: its bearer is anonymous. */
function userOf(socket: TLSSocket): User {
  if (!socket.authorized) return ANONYMOUS;
  const { subject } = socket.getPeerCertificate();
  const name = [subject.CN].flat()[0];
  if (name === undefined || name === '') return ANONYMOUS;
  const groups = subject.O === undefined ? [] : [subject.O].flat();
  return { name, groups: [...groups, 'system:authenticated'] };
}

async function toServer(request: Request, user: User): Promise<ServerRequest> {
  const url = new URL(request.url);
  const contentType = request.headers.get('content-type') ?? '';
  return {
    method: request.method,
    segments: url.pathname.split('/').filter((part) => part !== '').map(decodeSegment),
    query: url.searchParams, body: request.method === 'GET' || request.method === 'HEAD' ? undefined : await readBody(request, contentType),
    contentType, accept: request.headers.get('accept') ?? '', user, signal: request.signal,
  };
}

function decodeSegment(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest(`the path segment ${JSON.stringify(part)} is not percent-encoded UTF-8`);
  }
}

async function readBody(request: Request, contentType: string): Promise<unknown> {
  const tooLarge = (): Error => requestEntityTooLarge(`the body is larger than ${MAX_BODY_BYTES} bytes`);
  if (Number(request.headers.get('content-length') ?? '0') > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  const text = Buffer.concat(chunks).toString('utf8');
  if (contentType.includes('protobuf')) throw badRequest('protobuf bodies are not understood: send JSON or YAML');
  try {
    return contentType.includes('yaml') ? parseYaml(text) as unknown : JSON.parse(text) as unknown;
  } catch (error) {
    throw badRequest(`the body is not ${contentType.includes('yaml') ? 'YAML' : 'JSON'}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function render(answer: Answer, onInternal: (error: unknown) => void): Response {
  switch (answer.is) {
    case 'entry': return json(answer.entry.json(), answer.status, answer.warnings);
    case 'list': return json(listAsJson(answer.list), 200, []);
    case 'json': return json(JSON.stringify(answer.value), answer.status, answer.warnings ?? []);
    case 'text': return new Response(answer.text, { status: answer.status, headers: { 'content-type': answer.contentType ?? 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' } });
    case 'watch': {
      const encoder = new TextEncoder();
      const { lines } = answer;
      return streamed((async function* encoded() {
        for await (const line of lines) yield encoder.encode(`{"type":"${line.type}","object":${line.json()}}\n`);
      })(), 'application/json', onInternal);
    }
    case 'stream': return streamed(answer.chunks, answer.contentType, onInternal);
  }
}

function json(text: string, status: number, warnings: readonly string[]): Response {
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  // RFC 9111's obsolete Warning header is how Kubernetes tells clients; code 299, as kubectl expects it.
  for (const warning of warnings) headers.append('warning', `299 - ${JSON.stringify(warning.replaceAll(/[^\x20-\x7e]/g, '?'))}`);
  return new Response(text, { status, headers });
}

function streamed(chunks: AsyncIterable<Uint8Array>, contentType: string, onInternal: (error: unknown) => void): Response {
  const iterator = chunks[Symbol.asyncIterator]();
  // The client may go while the next chunk is waited for; a cancelled stream takes no more.
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (cancelled) return;
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      } catch (error) {
        if (cancelled) return;
        onInternal(error);
        controller.error(error);
      }
    },
    async cancel() {
      cancelled = true;
      await iterator.return?.();
    },
  });
  return new Response(body, { headers: { 'content-type': contentType, 'cache-control': 'no-cache, private' } });
}
