// What making and dropping one instance costs, against wasmtime used directly.

import { type Bar, example, guest, type Measurement, missingTools, runMeasure, type Scenario } from '../harness/index.ts';

const ROUNDS_EACH = 2;
const DIRECT = 'wasmtime directly';
const COMPONENTS = [['hello-tiny', async () => example('hello-tiny')], ['JavaScript on StarlingMonkey', async () => guest('starling')], ['JavaScript on QuickJS', async () => guest('quickjs')]] as const;

const javascript = (name: string): readonly Bar[] => [
  { metric: `${name}: instantiate, p50`, subject: 'copepod', atMost: 50 },
  { metric: `${name}: instantiate, p50`, subject: 'copepod', atMost: 30, aim: true },
];

export const instantiate: Scenario = {
  name: 'instantiate',
  group: 'runtime',
  title: 'Instantiate',
  method: `\`copepod-measure\`, in one process on one thread in turns, 4,000 of each a round: an instance is made and dropped, as wasmtime's own benchmark counts it (store, memory image, start; teardown). Copepod does it with its limits, epochs, share of the CPU and counters, as for each request; "${DIRECT}" is the leanest host that links, with the engine's settings of the pool (slots, memory kept resident, stacks) and nothing else. No request is answered. A sample is the p50 or p99 of a round.`,
  bars: [
    { metric: 'hello-tiny: instantiate, p50', subject: 'copepod', peer: DIRECT, atMost: 1.2 },
    { metric: 'hello-tiny: instantiate, p50', subject: 'copepod', atMost: 5, aim: true },
    ...javascript('JavaScript on StarlingMonkey'),
    ...javascript('JavaScript on QuickJS'),
  ],
  missing: () => missingTools('cargo'),
  async run({ rounds, say }) {
    const measurements: Measurement[] = [];
    for (const [name, file] of COMPONENTS) {
      say(name);
      const figures = await runMeasure('instantiate', await file(), String(rounds * ROUNDS_EACH));
      const metrics = [...(figures.get('copepod')?.keys() ?? [])];
      for (const metric of metrics) {
        for (const [subject, samples] of figures) measurements.push({ subject, metric: `${name}: ${metric}`, unit: 'µs', better: 'lower', samples: samples.get(metric) ?? [] });
      }
    }
    return measurements;
  },
};
