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

/** A promise about a ratio of medians: `subject` to `peer` of one metric. */
export interface Bar {
  readonly metric: string;
  readonly subject: string;
  readonly peer: string;
  readonly atLeast: number;
}

export interface Scenario {
  readonly name: string;
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
export async function interleave(rounds: number, subjects: Readonly<Record<string, () => Promise<number>>>): Promise<Readonly<Record<string, readonly number[]>>> {
  const samples = Object.fromEntries(Object.keys(subjects).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    const names = Object.keys(subjects);
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const value = await subjects[name]?.();
      if (value !== undefined) samples[name]?.push(value);
    }
  }
  return samples;
}
