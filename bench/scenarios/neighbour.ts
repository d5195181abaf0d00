// A guest that loops for ever beside one that serves.

import { type Bar, compareServing, example, guest, type Measurement, missingTools, type Scenario, servingMetric, startRuntime } from '../harness/index.ts';

const SECONDS = 3;
const CONNECTIONS = [1, 32] as const;
const [ALONE, BESIDE] = ['alone', 'beside a looping guest'];

export const neighbour: Scenario = {
  name: 'neighbour',
  group: 'runtime',
  title: 'Beside a looping guest',
  method: `\`wrk -t1\` for ${SECONDS} s a round on \`examples/hello-tiny\`, a fresh instance for each request: from a runtime that serves nothing else, and from one in which a command loops without ever waiting, with no limit of CPU below the machine's. On two cores wrk, the server and the loop are three that want two.`,
  bars: CONNECTIONS.flatMap((connections): readonly Bar[] => {
    const metric = servingMetric('latency p99', connections);
    return [{ metric, subject: BESIDE, peer: ALONE, atMost: 2 }, { metric, subject: BESIDE, peer: ALONE, atMost: 1.3, aim: true }];
  }),
  missing: () => missingTools('wrk'),
  async run({ rounds, say }) {
    const services = [{ name: 'hello', file: example('hello-tiny') }];
    const commands = [{ name: 'looping', file: await guest('looping') }];
    const samples = new Map<string, Measurement>();
    // The loop would be beside the other one too, if both lived at the same time: each round has processes of its own.
    for (let round = 0; round < rounds; round += 1) {
      const turns = [ALONE, BESIDE];
      for (const subject of round % 2 === 0 ? turns : turns.toReversed()) {
        const server = await startRuntime(subject === ALONE ? { services } : { services, commands });
        try {
          const measured = await compareServing({ [subject]: server }, { rounds: 1, connections: CONNECTIONS, seconds: SECONDS, expect: 'hello from copepod\n', say: (text) => say(`round ${round + 1}, ${subject}, ${text}`) });
          for (const one of measured) {
            const key = `${one.metric}, ${subject}`;
            samples.set(key, { ...one, samples: [...(samples.get(key)?.samples ?? []), ...one.samples] });
          }
        } finally {
          await server.stop();
        }
      }
    }
    // The CPU of the one beside is mostly the loop's.
    return [...samples.values()].filter(({ metric }) => !metric.includes('CPU')).toSorted((a, b) => a.metric.localeCompare(b.metric) || a.subject.localeCompare(b.subject));
  },
};
