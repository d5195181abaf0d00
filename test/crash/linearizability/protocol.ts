// What clients of the linearizability test ask, and what a key looks like to them.

export const KEYS = 6;

export interface Slot {
  /** 0: the key is not there. */
  readonly mod: number;
  readonly value: string;
}

export interface Write {
  readonly key: number;
  readonly expect: number;
  /** Empty: a deletion. */
  readonly value: string;
}

export type Request =
  | { readonly op: 'get'; readonly key: number }
  | { readonly op: 'list' }
  | { readonly op: 'commit'; readonly writes: readonly Write[] }
  /** Everything that ever happened. */
  | { readonly op: 'log' };

/** One change of the log. */
export interface Entry {
  readonly revision: number;
  readonly key: number;
  /** Empty: a deletion. */
  readonly value: string;
  /** 0: the key was not there. */
  readonly before: number;
}

export interface Answer {
  readonly outcome: 'ok' | 'conflict';
  readonly revision?: number;
  readonly found?: Slot;
  readonly all?: readonly Slot[];
  readonly log?: readonly Entry[];
}
