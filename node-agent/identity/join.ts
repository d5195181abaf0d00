// How an agent becomes a node: it pins the CA by the token, sends a certificate request, and keeps what it gets. Done once; later starts
// read it from disk.

import 'reflect-metadata';
import { createHash, webcrypto, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRecord } from '@copepod/api/meta';
import { createHttpsTransport, expectOk, isTransportError } from '@copepod/client/rest';
import { cryptoProvider, PemConverter, Pkcs10CertificateRequestGenerator } from '@peculiar/x509';

cryptoProvider.set(globalThis.crypto);

export interface NodeIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export type JoinErrorCode = 'BadToken' | 'WrongCluster' | 'Refused';

export class JoinError extends Error {
  override readonly name = 'JoinError';
  readonly code: JoinErrorCode;
  constructor(code: JoinErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface JoinOptions {
  /** Directory of `node.crt`, `node.key`, `ca.crt`. */
  readonly folder: string;
  /** Tried one after the other. */
  readonly servers: readonly string[];
  /** Needed only when there is no identity yet. */
  readonly token: string | undefined;
  readonly nodeName: string;
  /** IP addresses the certificate must carry. */
  readonly addresses: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const RENEW_MS = 30 * 86_400_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** JoinError, or TransportError when the server cannot be reached. */
export async function ensureIdentity(options: JoinOptions): Promise<NodeIdentity> {
  const known = readIdentity(options.folder);
  if (known !== undefined && isCurrent(known, options)) return known;
  if (options.token === undefined) {
    throw new JoinError('BadToken', known === undefined ? 'this node has not joined a cluster yet: pass --token (the file join-token in the server\'s data directory holds one)' : 'the node\'s certificate is of another name or address, or about to expire: pass --token to join anew');
  }
  const identity = await joinAny(options, options.token);
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  write(join(options.folder, 'node.key'), identity.key, 0o600);
  write(join(options.folder, 'ca.crt'), identity.ca, 0o644);
  write(join(options.folder, 'node.crt'), identity.cert, 0o644);
  return identity;
}

async function joinAny(options: JoinOptions, token: string): Promise<NodeIdentity> {
  let unreachable: unknown = new RangeError('no server to join');
  for (const server of options.servers) {
    try {
      return await join_(server, options, token);
    } catch (error) {
      if (!isTransportError(error, 'Unreachable')) throw error;
      unreachable = error;
    }
  }
  throw unreachable;
}

async function join_(server: string, options: JoinOptions, token: string): Promise<NodeIdentity> {
  const [form, pin] = token.trim().split('.');
  if (form !== 'cp1' || pin === undefined) throw new JoinError('BadToken', 'this is not a join token: it begins with cp1. (the file join-token in the server\'s data directory holds one)');
  // The CA comes over a connection nobody vouches for; its fingerprint in the token is what does.
  const blind = createHttpsTransport({ server, insecureSkipTlsVerify: true });
  let ca: string;
  try {
    ca = String(expectOk(await blind.request({ method: 'GET', path: '/cacerts', accept: '*/*' })));
  } finally {
    await blind.close();
  }
  const actual = fingerprintOf(ca);
  if (actual !== pin) throw new JoinError('WrongCluster', `the CA of ${server} (${actual ?? 'unreadable'}) is not the one the token names: the token is of another cluster, or somebody stands between`);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const csr = await Pkcs10CertificateRequestGenerator.create({ name: `CN=system:node:${options.nodeName}`, keys, signingAlgorithm: ALGORITHM });
  const trusted = createHttpsTransport({ server, ca, token: token.trim() });
  try {
    const response = await trusted.request({ method: 'POST', path: '/copepod/v1/join', body: { nodeName: options.nodeName, csr: csr.toString('pem'), addresses: options.addresses } });
    if (response.status >= 400) throw new JoinError('Refused', `${server} refused to take this node: ${isRecord(response.body) ? String(response.body['message']) : response.status}`);
    const { certificate } = response.body as { readonly certificate: string };
    return { cert: certificate, ca, key: `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')}\n` };
  } finally {
    await trusted.close();
  }
}

function fingerprintOf(pem: string): string | undefined {
  try {
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('hex');
  } catch {
    return undefined;
  }
}

function readIdentity(folder: string): NodeIdentity | undefined {
  try {
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
    return { cert: read('node.crt'), key: read('node.key'), ca: read('ca.crt') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isCurrent(identity: NodeIdentity, { nodeName, addresses, now, token }: JoinOptions): boolean {
  const certificate = new X509Certificate(identity.cert);
  const names = certificate.subjectAltName ?? '';
  const pin = token?.trim().split('.')[1];
  if (pin !== undefined && pin !== fingerprintOf(identity.ca)) return false;
  return certificate.subject.includes(`CN=system:node:${nodeName}`) && addresses.every((address) => names.includes(address)) && Date.parse(certificate.validTo) - now > RENEW_MS;
}

function write(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.partial`, text, { mode });
  renameSync(`${path}.partial`, path);
}
