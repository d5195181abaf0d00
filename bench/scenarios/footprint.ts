// What one more daemon and one more pod weigh in the runtime.

import { example, guest, type Measurement, missingTools, runMeasure, type Scenario } from '../harness/index.ts';

const COUNT = 10_000;
const KIB = 1024;

export const footprint: Scenario = {
  name: 'footprint',
  group: 'runtime',
  title: 'Ten thousand of a kind',
  method: `\`copepod-measure\`: the engine without Node, one process for each round. ${COUNT.toLocaleString('en')} live instances of a command that waits for a day; ${COUNT.toLocaleString('en')} ready services made from one component, all of them endpoints of one route, of which a hundred answer at the end. A first one is there before the weight is taken. Weight is the process's proportional set size and its page tables (which a memory cgroup charges too), after less before, by their number.`,
  bars: [
    { metric: 'live idle daemon', subject: 'copepod', atMost: 25 },
    { metric: 'live idle daemon', subject: 'copepod', atMost: 12, aim: true },
    { metric: 'ready HTTP pod', subject: 'copepod', atMost: 4 },
  ],
  missing: () => missingTools('cargo'),
  async run({ rounds, say }) {
    const measurements: Measurement[] = [];
    for (const [kind, command, file] of [['live idle daemon', 'daemons', await guest('daemon')], ['ready HTTP pod', 'pods', example('hello-tiny')]] as const) {
      const samples = new Map<string, number[]>();
      for (let round = 0; round < Math.max(2, Math.ceil(rounds / 2)); round += 1) {
        say(`${kind}, round ${round + 1}`);
        for (const [part, [bytes = Number.NaN]] of (await runMeasure(command, file, String(COUNT))).get('copepod') ?? []) samples.set(part, [...(samples.get(part) ?? []), bytes / KIB]);
      }
      for (const [part, taken] of samples) measurements.push({ subject: 'copepod', metric: part === 'each' ? kind : `${kind}: ${part}`, unit: 'KiB', better: 'lower', samples: taken });
    }
    return measurements;
  },
};
