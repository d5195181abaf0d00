// What the API server asks an agent: `GET /containerLogs/<namespace>/<pod>/<container>`, `/metrics` and `/healthz`. HTTPS; only a certificate
// of the cluster's CA that names the API server is let in.

import { createServer, type Server } from 'node:https';
import type { ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@copepod/client/clock';
import { type LogQuery, readLog } from '../logs/index.ts';
import { CONTENT_TYPE } from '../metrics/index.ts';

export interface LoggedPod {
  log(previous: boolean): string | undefined;
  readonly live: boolean;
}

export interface KubeletServerOptions {
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly clock: Clock;
  readonly find: (namespace: string, pod: string) => LoggedPod | undefined;
  /** As text for Prometheus. */
  readonly metrics: () => string;
}

const API_SERVER = 'copepod-apiserver';

export function createKubeletServer({ tls, clock, find, metrics }: KubeletServerOptions): Server {
  return createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    if ((request.socket as TLSSocket).getPeerCertificate().subject.CN !== API_SERVER) {
      refuse(response, 403, 'only the API server may ask this');
      return;
    }
    const url = new URL(request.url ?? '/', 'https://agent');
    if (url.pathname === '/healthz') {
      response.end('ok');
      return;
    }
    if (url.pathname === '/metrics') {
      response.writeHead(200, { 'content-type': CONTENT_TYPE });
      response.end(metrics());
      return;
    }
    const [, root, namespace = '', pod = ''] = url.pathname.split('/').map(decodeURIComponent);
    if (root !== 'containerLogs') {
      refuse(response, 404, 'no such path');
      return;
    }
    const runner = find(namespace, pod);
    if (runner === undefined) {
      refuse(response, 404, 'the container has not been started, or its log is gone');
      return;
    }
    const path = runner.log(url.searchParams.get('previous') === 'true');
    if (path === undefined) {
      refuse(response, 400, `previous terminated container in pod "${pod}" not found`);
      return;
    }
    const query = parse(url.searchParams);
    if (typeof query === 'string') {
      refuse(response, 400, query);
      return;
    }
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    void send(response, readLog({ path, live: () => runner.live }, query, clock, gone.signal));
  });
}

async function send(response: ServerResponse, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  response.flushHeaders();
  try {
    for await (const chunk of chunks) {
      if (response.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        response.once('drain', resolve);
        response.once('close', resolve);
      });
    }
    response.end();
  } catch (error) {
    response.destroy(error as Error);
  }
}

function parse(query: URLSearchParams): LogQuery | string {
  const numbers: Record<string, number | undefined> = {};
  for (const name of ['tailLines', 'sinceSeconds', 'limitBytes']) {
    const text = query.get(name);
    const value = text === null || text === '' ? undefined : Number(text);
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 0)) return `${name} must be a whole number of at least 0`;
    numbers[name] = value;
  }
  return {
    follow: query.get('follow') === 'true', timestamps: query.get('timestamps') === 'true',
    tailLines: numbers['tailLines'], sinceSeconds: numbers['sinceSeconds'], limitBytes: numbers['limitBytes'],
  };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${message}\n`);
}
