// The cluster's certificates: ECDSA P-256, signed by its own CA. Keys are made here and never leave the files they are written to.

import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension, cryptoProvider, ExtendedKeyUsage, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension, PemConverter,
  Pkcs10CertificateRequest, SubjectAlternativeNameExtension, X509Certificate, X509CertificateGenerator,
} from '@peculiar/x509';

cryptoProvider.set(globalThis.crypto);

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Subject {
  readonly commonName: string;
  readonly organization?: string;
}

export interface SignOptions {
  readonly subject: Subject;
  readonly usage: readonly ('server' | 'client')[];
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly now: number;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
const LEAF_DAYS = 365;
/** Machines whose clock is a little behind must accept a fresh certificate. */
const BACKDATED_MS = 10 * 60_000;

export async function createAuthority(commonName: string, now: number): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`, keys, signingAlgorithm: ALGORITHM, serialNumber: serialNumber(),
    notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + CA_DAYS * DAY_MS),
    extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true)],
  });
  return { cert: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** A new key and its certificate. */
export async function issue(authority: KeyPair, options: SignOptions): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  return { cert: await sign(authority, keys.publicKey, options), key: await exportKey(keys.privateKey) };
}

/** Signs the public key of a request; its subject and names are the signer's to decide. Throws TypeError when it is not a request that verifies. */
export async function signRequest(authority: KeyPair, request: string, options: SignOptions): Promise<string> {
  let parsed: Pkcs10CertificateRequest;
  try {
    parsed = new Pkcs10CertificateRequest(request);
  } catch (cause) {
    throw new TypeError('not a PEM certificate request', { cause });
  }
  if (!(await parsed.verify())) throw new TypeError('the certificate request is not signed by its own key');
  return sign(authority, await parsed.publicKey.export(), options);
}

async function sign(authority: KeyPair, publicKey: webcrypto.CryptoKey, { subject, usage, names, now }: SignOptions): Promise<string> {
  const ca = new X509Certificate(authority.cert);
  const der = PemConverter.decodeFirst(authority.key);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  const usages = usage.map((use) => (use === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth));
  const certificate = await X509CertificateGenerator.create({
    subject: [...(subject.organization === undefined ? [] : [{ O: [subject.organization] }]), { CN: [subject.commonName] }],
    issuer: ca.subject, publicKey, signingKey, signingAlgorithm: ALGORITHM, serialNumber: serialNumber(),
    notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + LEAF_DAYS * DAY_MS),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true), new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true), new ExtendedKeyUsageExtension(usages),
      ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIp(value) ? 'ip' as const : 'dns' as const, value })))]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** Hex SHA-256 of a certificate's DER: what a join token pins. */
export function fingerprint(pem: string): string {
  return createHash('sha256').update(new Uint8Array(new X509Certificate(pem).rawData)).digest('hex');
}

/** Whether the certificate was signed by this authority, names all of `names`, and stays valid for `days` more. */
export function isCurrent(pem: string, names: readonly string[], now: number, days: number): boolean {
  const certificate = new X509Certificate(pem);
  const extension = certificate.getExtension(SubjectAlternativeNameExtension);
  const present = new Set(extension?.names.items.map((name) => name.value) ?? []);
  return names.every((name) => present.has(name)) && certificate.notAfter.getTime() - now > days * DAY_MS;
}

function isIp(text: string): boolean {
  return /^[0-9.]+$/.test(text) || text.includes(':');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/** Positive and unguessable, as RFC 5280 asks. */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
