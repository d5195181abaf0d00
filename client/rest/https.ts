// The API over HTTPS with a client certificate or a token. Connections are kept alive; a watch holds one of its own.

import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { fromStatus, isStatus, successStatus } from '@copepod/api/errors';
import type { WatchEvent } from '@copepod/api/watch';
import type { ApiRequest, Transport } from './transport.ts';
import { TransportError, type TransportErrorCode } from './transport-error.ts';

export interface HttpsTransportOptions {
  /** `https://host:port`; `http:` is taken too. */
  readonly server: string;
  /** PEM of whom to trust; absent: the machine's own authorities. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
  readonly tlsServerName?: string | undefined;
  readonly insecureSkipTlsVerify?: boolean | undefined;
  readonly userAgent?: string | undefined;
  /** Of a request until its head, milliseconds; default 60,000. */
  readonly timeoutMs?: number | undefined;
}

/** Largest answer read whole, bytes. */
const MAX_BODY = 256 * 1024 * 1024;

export function createHttpsTransport(options: HttpsTransportOptions): Transport {
  const base = new URL(options.server);
  const secure = base.protocol === 'https:';
  const tls = {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.tlsServerName === undefined ? {} : { servername: options.tlsServerName }),
    rejectUnauthorized: options.insecureSkipTlsVerify !== true,
  };
  const agent = secure ? new Agent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true });

  function send(request: ApiRequest, head: { readonly timeoutMs: number }): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const query = new URLSearchParams(request.query).toString();
      const body = request.body === undefined ? undefined : encode(request.body);
      const settings: RequestOptions = {
        agent, method: request.method, hostname: base.hostname.replace(/^\[(.*)\]$/, '$1'), port: base.port === '' ? (secure ? 443 : 80) : Number(base.port),
        path: `${base.pathname.replace(/\/$/, '')}${request.path}${query === '' ? '' : `?${query}`}`,
        timeout: head.timeoutMs,
        headers: {
          accept: request.accept ?? 'application/json', 'user-agent': options.userAgent ?? 'copepod',
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json', 'content-length': String(body.length) }),
        },
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      };
      const outgoing = secure ? httpsRequest(settings) : httpRequest(settings);
      outgoing.on('response', (incoming) => {
        outgoing.setTimeout(0);
        resolve(incoming);
      });
      outgoing.on('timeout', () => outgoing.destroy(new TransportError('Timeout', `${options.server} did not answer ${request.method} ${request.path} within ${head.timeoutMs / 1000} s`, { server: options.server })));
      outgoing.on('error', (error) => reject(explain(error, options.server, request.signal)));
      outgoing.end(body);
    });
  }

  const timeoutMs = options.timeoutMs ?? 60_000;
  return {
    async request(request) {
      const incoming = await send(request, { timeoutMs });
      const text = await readAll(incoming, options.server, request.signal);
      return { status: incoming.statusCode ?? 0, body: decode(text, incoming.headers['content-type']) };
    },
    async *watch(request) {
      const incoming = await opened(await send(request, { timeoutMs }), options.server, request.signal);
      let rest = '';
      for await (const text of textOf(incoming, options.server, request.signal)) {
        rest += text;
        let from = 0;
        for (let end = rest.indexOf('\n', from); end !== -1; end = rest.indexOf('\n', from)) {
          const line = rest.slice(from, end);
          from = end + 1;
          if (line.trim() !== '') yield parseEvent(line, options.server);
        }
        rest = rest.slice(from);
      }
    },
    async *stream(request) {
      const incoming = await opened(await send(request, { timeoutMs }), options.server, request.signal);
      try {
        for await (const chunk of incoming) yield chunk as Uint8Array;
      } catch (error) {
        throw explain(error, options.server, request.signal);
      } finally {
        incoming.destroy();
      }
    },
    async close() {
      agent.destroy();
    },
  };
}

function encode(body: unknown): Buffer {
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function decode(text: string, contentType: string | undefined): unknown {
  if (contentType === undefined || !contentType.includes('json')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Throws what a refused stream says. */
async function opened(incoming: IncomingMessage, server: string, signal: AbortSignal | undefined): Promise<IncomingMessage> {
  const status = incoming.statusCode ?? 0;
  if (status < 400) return incoming;
  const body = decode(await readAll(incoming, server, signal), incoming.headers['content-type']);
  throw fromStatus(isStatus(body) ? body : { ...successStatus(), status: 'Failure', code: status, message: typeof body === 'string' && body !== '' ? body.slice(0, 500) : `${server} answered ${status}` });
}

async function readAll(incoming: IncomingMessage, server: string, signal: AbortSignal | undefined): Promise<string> {
  let text = '';
  for await (const part of textOf(incoming, server, signal)) {
    text += part;
    if (text.length > MAX_BODY) throw new TransportError('BadAnswer', `${server} answered more than ${MAX_BODY} bytes`, { server });
  }
  return text;
}

async function* textOf(incoming: IncomingMessage, server: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  incoming.setEncoding('utf8');
  try {
    for await (const chunk of incoming) yield chunk as string;
  } catch (error) {
    throw explain(error, server, signal);
  } finally {
    if (!incoming.complete) incoming.destroy();
  }
}

function parseEvent(line: string, server: string): WatchEvent {
  try {
    return JSON.parse(line) as WatchEvent;
  } catch (cause) {
    throw new TransportError('BadAnswer', `${server} sent a watch event that is not JSON`, { server, cause });
  }
}

const UNTRUSTED = /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

function explain(error: unknown, server: string, signal: AbortSignal | undefined): TransportError {
  if (error instanceof TransportError) return error;
  const cause = error as NodeJS.ErrnoException;
  const code = cause.code ?? '';
  const make = (kind: TransportErrorCode, message: string, hint?: string): TransportError => new TransportError(kind, message, { server, cause, ...(hint === undefined ? {} : { hint }) });
  if (signal?.aborted === true || cause.name === 'AbortError') return make('Aborted', 'the request was aborted');
  if (UNTRUSTED.test(code)) return make('UntrustedServer', `the certificate of ${server} is not signed by the authority this kubeconfig names (${code})`, 'the kubeconfig is of another cluster, or the cluster was made anew: use the one it wrote');
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return make('IdentityRejected', `${server} refused the TLS handshake (${code})`, 'the client certificate is of another cluster or has expired: use the kubeconfig this cluster wrote');
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EADDRNOTAVAIL'].includes(code)) return make('Unreachable', `nothing answers at ${server} (${code})`, 'is the server running? "copepod up" starts one');
  return make('ConnectionLost', `the connection to ${server} was lost (${code === '' ? cause.message : code})`);
}
