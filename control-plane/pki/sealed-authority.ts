// The cluster's CA as several servers share it: in the store, sealed under a secret that each server is given and the store never sees.
// AES-256-GCM under a key that scrypt makes of the secret, so that a copy of the store alone signs nothing.

import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isRecord } from '@copepod/api/meta';
import type { KeyPair } from './certificates.ts';
import { writeAtomically } from './cluster-pki.ts';

export class SealError extends Error {
  override readonly name = 'SealError';
  readonly code: 'BadSecret' | 'NoSecret' | 'Damaged' | 'OtherCluster';
  constructor(code: SealError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const CIPHER = 'aes-256-gcm';
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const FORMAT = 1;
const MIN_SECRET = 32;

const keyOf = (secret: string, salt: Buffer): Buffer => scryptSync(secret, salt, 32, SCRYPT);

export function seal(authority: KeyPair, secret: string): Uint8Array {
  const [salt, nonce] = [randomBytes(16), randomBytes(12)];
  const cipher = createCipheriv(CIPHER, keyOf(secret, salt), nonce);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(authority), 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return Buffer.from(JSON.stringify({ format: FORMAT, salt: salt.toString('base64'), nonce: nonce.toString('base64'), sealed: sealed.toString('base64') }));
}

/** SealError when the secret is not the one it was sealed under, or the bytes are not what `seal` made. */
export function unseal(bytes: Uint8Array, secret: string): KeyPair {
  let box: unknown;
  try {
    box = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new SealError('Damaged', 'the cluster\'s authority in the store cannot be read', { cause });
  }
  const part = (name: string): Buffer => Buffer.from(isRecord(box) && typeof box[name] === 'string' ? box[name] : '', 'base64');
  if (!isRecord(box) || box['format'] !== FORMAT) throw new SealError('Damaged', 'the cluster\'s authority in the store is of a format this release does not know');
  const sealed = part('sealed');
  try {
    const decipher = createDecipheriv(CIPHER, keyOf(secret, part('salt')), part('nonce'));
    decipher.setAuthTag(sealed.subarray(-16));
    return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString('utf8')) as KeyPair;
  } catch (cause) {
    throw new SealError('BadSecret', 'the cluster secret is not the one this cluster was made with: copy the file cluster-secret from the data directory of a server that runs', { cause });
  }
}

/** The secret in a file, undefined when there is no such file. SealError when it is too short to be one. */
export function readSecret(path: string): string | undefined {
  try {
    const secret = readFileSync(path, 'utf8').trim();
    if (secret.length < MIN_SECRET) throw new SealError('BadSecret', `${path} holds ${secret.length} characters: a cluster secret has at least ${MIN_SECRET}`);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A new secret, written to the file. */
export function writeSecret(path: string): string {
  const secret = randomBytes(32).toString('hex');
  writeAtomically(path, `${secret}\n`, 0o600);
  return secret;
}
