// How an agent gets its identity: `GET /cacerts` (anyone), then `POST /copepod/v1/join` with a token and a certificate request.

import { type ClusterPki } from './cluster-pki.ts';
import { signRequest } from './certificates.ts';
import type { JoinTokens } from './join-token.ts';

export interface JoinOptions {
  readonly pki: ClusterPki;
  readonly tokens: JoinTokens;
  readonly now: () => number;
}

interface JoinRequest {
  readonly nodeName: string;
  readonly csr: string;
  readonly addresses: readonly string[];
}

const MAX_BYTES = 64 * 1024;

/** Answers the two paths above, undefined for any other. */
export function createJoinRoutes({ pki, tokens, now }: JoinOptions): (request: Request) => Promise<Response | undefined> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === '/cacerts' && request.method === 'GET') return new Response(pki.authority.cert, { headers: { 'content-type': 'application/x-pem-file' } });
    if (pathname !== '/copepod/v1/join' || request.method !== 'POST') return undefined;
    const problem = await tokens.judge(/^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '', now());
    if (problem !== undefined) return refusal(401, 'Unauthorized', problem);
    const asked = await readJoin(request);
    if (typeof asked === 'string') return refusal(400, 'BadRequest', asked);
    try {
      const names = [asked.nodeName, `${asked.nodeName}.node.copepod`, 'localhost', '127.0.0.1', ...asked.addresses];
      const certificate = await signRequest(pki.authority, asked.csr, { subject: { commonName: `system:node:${asked.nodeName}`, organization: 'system:nodes' }, usage: ['client', 'server'], names: [...new Set(names)], now: now() });
      return Response.json({ certificate, ca: pki.authority.cert });
    } catch (error) {
      if (error instanceof TypeError) return refusal(400, 'BadRequest', `csr: ${error.message}`);
      throw error;
    }
  };
}

async function readJoin(request: Request): Promise<JoinRequest | string> {
  const text = await request.text();
  if (text.length > MAX_BYTES) return `the request is larger than ${MAX_BYTES} bytes`;
  let body: Partial<JoinRequest>;
  try {
    body = JSON.parse(text) as Partial<JoinRequest>;
  } catch {
    return 'the request is not JSON';
  }
  const { nodeName, csr, addresses } = body;
  if (typeof nodeName !== 'string' || !/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(nodeName)) return 'nodeName must be a DNS subdomain in lower case';
  if (typeof csr !== 'string') return 'csr must be a PEM certificate request';
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string' && /^[0-9a-fA-F.:]+$/.test(address))) return 'addresses must be a list of IP addresses';
  return { nodeName, csr, addresses };
}

function refusal(code: number, reason: string, message: string): Response {
  return Response.json({ apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, reason, code }, { status: code });
}
