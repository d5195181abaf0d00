// The cluster's identities on disk: made at the first start, kept at every later one, the server's own renewed when its addresses
// change or it grows old. A CA that was there is never replaced: everything signed by it would be orphaned.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, fingerprint, isCurrent, issue, type KeyPair, type SignOptions } from './certificates.ts';

export interface ClusterPki {
  readonly authority: KeyPair;
  readonly server: KeyPair;
  readonly admin: KeyPair;
  /** The API server towards agents. */
  readonly kubeletClient: KeyPair;
  /** Hex SHA-256 of the CA certificate. */
  readonly pin: string;
}

const RENEW_DAYS = 30;

/** `names`: DNS names and addresses the API server is reached by. */
export async function ensureClusterPki(folder: string, names: readonly string[], now: number): Promise<ClusterPki> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = readPair(folder, 'ca') ?? writePair(folder, 'ca', await createAuthority('copepod-ca', now));
  const leaf = async (file: string, options: Omit<SignOptions, 'now'>): Promise<KeyPair> => {
    const known = readPair(folder, file);
    if (known !== undefined && isCurrent(known.cert, options.names, now, RENEW_DAYS)) return known;
    return writePair(folder, file, await issue(authority, { ...options, now }));
  };
  return {
    authority,
    server: await leaf('server', { subject: { commonName: 'copepod-apiserver' }, usage: ['server'], names }),
    admin: await leaf('admin', { subject: { commonName: 'copepod-admin', organization: 'system:masters' }, usage: ['client'], names: [] }),
    kubeletClient: await leaf('kubelet-client', { subject: { commonName: 'copepod-apiserver' }, usage: ['client'], names: [] }),
    pin: fingerprint(authority.cert),
  };
}

/** The CA in this folder, undefined when there is none. */
export function readAuthority(folder: string): KeyPair | undefined {
  return readPair(folder, 'ca');
}

/** Makes a CA that came from elsewhere this folder's. */
export function keepAuthority(folder: string, authority: KeyPair): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writePair(folder, 'ca', authority);
}

function readPair(folder: string, name: string): KeyPair | undefined {
  try {
    return { cert: readFileSync(join(folder, `${name}.crt`), 'utf8'), key: readFileSync(join(folder, `${name}.key`), 'utf8') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The key first: a certificate without its key would be taken for a whole pair. */
function writePair(folder: string, name: string, pair: KeyPair): KeyPair {
  writeAtomically(join(folder, `${name}.key`), pair.key, 0o600);
  writeAtomically(join(folder, `${name}.crt`), pair.cert, 0o644);
  return pair;
}

export function writeAtomically(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.partial`, text, { mode });
  renameSync(`${path}.partial`, path);
}
