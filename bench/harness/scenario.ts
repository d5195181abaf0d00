// What a benchmark scenario is: a name, what it measures, and a run that returns samples. Subjects that are compared are measured in
// the same run, in turns, so that a noisy machine is noisy for all of them.

export interface Measurement {
  /** What was measured: `copepod`, or a peer. */
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly samples: readonly number[];
}

/** A promise about a median: of `subject`'s own value in the metric's unit or, where there is a peer, of the ratio of its median to the peer's. */
export type Bar = {
  readonly metric: string;
  readonly subject: string;
  readonly peer?: string;
  /** A wish: it is judged and said, and fails no run. */
  readonly aim?: true;
} & ({ readonly atLeast: number } | { readonly atMost: number });

export interface Scenario {
  readonly name: string;
  /** Scenarios of a group are asked for by its name. */
  readonly group: 'cluster' | 'runtime';
  readonly title: string;
  /** How it is measured, for a reader who means to doubt it. */
  readonly method: string;
  readonly bars?: readonly Bar[];
  /** Why it cannot run here, or undefined. */
  readonly missing?: () => string | undefined;
  readonly run: (options: RunOptions) => Promise<readonly Measurement[]>;
}

export interface RunOptions {
  readonly rounds: number;
  readonly say: (text: string) => void;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Runs the subjects in turns, the order turned round each time; the samples by subject. */
export async function interleave<T>(rounds: number, subjects: Readonly<Record<string, () => Promise<T>>>): Promise<Readonly<Record<string, readonly T[]>>> {
  const samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, [] as T[]]));
  for (let round = 0; round < rounds; round += 1) {
    const entries = Object.entries(subjects);
    for (const [name, run] of round % 2 === 0 ? entries : entries.toReversed()) samples[name]?.push(await run());
  }
  return samples;
}
