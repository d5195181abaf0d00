// Tokens with which agents join: `cp1.<CA pin>.<id>.<secret>`. The server keeps only a hash of the secret and the time it ends.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeAtomically } from './cluster-pki.ts';

const LIFETIME_MS = 24 * 3_600_000;

interface KnownToken {
  readonly id: string;
  readonly hash: string;
  readonly expires: number;
}

export interface JoinTokens {
  /** A new token, valid for 24 hours. */
  create(now: number): string;
  /** Undefined when it is good, else why it is not. */
  judge(token: string, now: number): string | undefined;
}

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** `file` outlives the process: a token given out before a restart still joins after it. */
export function createJoinTokens(file: string, pin: string): JoinTokens {
  const load = (): readonly KnownToken[] => {
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as readonly KnownToken[];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  };
  return {
    create(now) {
      const [id, secret] = [randomBytes(4).toString('hex'), randomBytes(16).toString('hex')];
      const known = load().filter((token) => token.expires > now);
      writeAtomically(file, JSON.stringify([...known, { id, hash: hashOf(secret), expires: now + LIFETIME_MS }]), 0o600);
      return `cp1.${pin}.${id}.${secret}`;
    },
    judge(token, now) {
      const [form, tokenPin, id, secret] = token.split('.');
      if (form !== 'cp1' || secret === undefined) return 'this is not a join token: copy the whole of the file join-token';
      if (tokenPin !== pin) return 'the token is of another cluster';
      const known = load().find((entry) => entry.id === id);
      if (known === undefined || !timingSafeEqual(Buffer.from(known.hash), Buffer.from(hashOf(secret)))) return 'the token is not known here';
      return known.expires > now ? undefined : 'the token has expired: take a new one from the server (file join-token)';
    },
  };
}
