// Tokens with which agents join: `cp1.<CA pin>.<id>.<secret>`. The server keeps only a hash of the secret and the time it ends.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeAtomically } from './cluster-pki.ts';

const LIFETIME_MS = 24 * 3_600_000;

export interface KnownToken {
  readonly id: string;
  readonly hash: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Where tokens are written down: a file of one server, or the store of several. */
export interface TokenBook {
  find(id: string): Promise<KnownToken | undefined>;
  /** May forget those that have expired. */
  add(token: KnownToken, now: number): Promise<void>;
}

export interface JoinTokens {
  /** A new token, valid for 24 hours. */
  create(now: number): Promise<string>;
  /** Undefined when it is good, else why it is not. */
  judge(token: string, now: number): Promise<string | undefined>;
}

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** Outlives the process: a token given out before a restart still joins after it. */
export function tokenFile(file: string): TokenBook {
  const load = (): readonly KnownToken[] => {
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as readonly KnownToken[];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  };
  return {
    find: async (id) => load().find((token) => token.id === id),
    add: async (token, now) => writeAtomically(file, JSON.stringify([...load().filter((known) => known.expires > now), token]), 0o600),
  };
}

export function createJoinTokens(book: TokenBook, pin: string): JoinTokens {
  return {
    async create(now) {
      const [id, secret] = [randomBytes(4).toString('hex'), randomBytes(16).toString('hex')];
      await book.add({ id, hash: hashOf(secret), expires: now + LIFETIME_MS }, now);
      return `cp1.${pin}.${id}.${secret}`;
    },
    async judge(token, now) {
      const [form, tokenPin, id, secret] = token.split('.');
      if (form !== 'cp1' || id === undefined || secret === undefined) return 'this is not a join token: copy the whole of the file join-token';
      if (tokenPin !== pin) return 'the token is of another cluster';
      const known = await book.find(id);
      if (known === undefined || !timingSafeEqual(Buffer.from(known.hash), Buffer.from(hashOf(secret)))) return 'the token is not known here';
      return known.expires > now ? undefined : 'the token has expired: take a new one from the server (file join-token)';
    },
  };
}
