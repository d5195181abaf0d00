// Instances that answer many requests one after the other, against wasmtime's own server doing the same.

import { type Bar, compareServing, example, missingTools, type Scenario, servingMetric, startHyper, startPrecompiledPeer, startRuntime } from '../harness/index.ts';

const SECONDS = 3;
const CONNECTIONS = [32, 256] as const;
const REUSES = 128;
const PEER = 'wasmtime serve';

const bars = CONNECTIONS.flatMap((connections): readonly Bar[] => {
  const metric = servingMetric('requests', connections);
  return [
    { metric, subject: 'copepod', peer: PEER, atLeast: 1.2 },
    { metric, subject: 'copepod', peer: PEER, atLeast: 1.5, aim: true },
  ];
});

export const httpReused: Scenario = {
  name: 'http-reused',
  group: 'runtime',
  title: 'HTTP, instances used again',
  method: `As the scenario before it, with instances that answer ${REUSES} requests in their life: \`reuse: pooled(max ${REUSES}, idle 1 s)\`, and \`wasmtime serve --max-instance-reuse-count ${REUSES}\` (idle 1 s is its default).`,
  bars,
  missing: () => missingTools('wrk', 'wasmtime', 'cargo'),
  async run({ rounds, say }) {
    const file = example('hello-tiny');
    const servers = {
      copepod: await startRuntime({ services: [{ name: 'hello', file, reuse: { is: 'pooled', max: REUSES, idleMs: 1000, concurrent: 1 } }] }),
      [PEER]: await startPrecompiledPeer(file, { reuses: REUSES }),
      'bare hyper': await startHyper(),
    };
    try {
      return await compareServing(servers, { rounds, connections: CONNECTIONS, seconds: SECONDS, expect: 'hello from copepod\n', say });
    } finally {
      for (const server of Object.values(servers)) await server.stop();
    }
  },
};
