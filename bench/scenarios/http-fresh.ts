// A fresh instance for each request, against wasmtime's own server, and against hyper without a guest.

import { type Bar, compareServing, example, missingTools, type Scenario, servingMetric, startHyper, startPrecompiledPeer, startRuntime } from '../harness/index.ts';

const SECONDS = 3;
const CONNECTIONS = [32, 256] as const;
const PEER = 'wasmtime serve';

const bars = CONNECTIONS.flatMap((connections): readonly Bar[] => {
  const requests = servingMetric('requests', connections);
  return [
    { metric: requests, subject: 'copepod', peer: PEER, atLeast: 1.5 },
    { metric: requests, subject: 'copepod', peer: PEER, atLeast: 2, aim: true },
    { metric: requests, subject: 'copepod', peer: 'bare hyper', atLeast: 1 / 1.5, aim: true },
    { metric: servingMetric('latency p99', connections), subject: 'copepod', peer: PEER, atMost: 1 },
    { metric: servingMetric('CPU of a request', connections), subject: 'copepod', peer: PEER, atMost: 1 },
  ];
});

export const httpFresh: Scenario = {
  name: 'http-fresh',
  group: 'runtime',
  title: 'HTTP, a fresh instance for each request',
  method: `\`wrk -t1\` for ${SECONDS} s a round on \`examples/hello-tiny\` (6 KB, wasi:http 0.2, a chunked body of 19 bytes): the runtime in a Node process of its own, with the limits a pod has by default; \`wasmtime serve\` 48.0.8 tuned (\`-O pooling-allocator=y -O pooling-memory-keep-resident=65536 -O pooling-table-keep-resident=4096 --max-instance-reuse-count 1\`, compiled beforehand with the same flags); hyper alone, which answers the same bytes from the same kind of threads. All built in release with thin link-time optimisation. All processes live through the whole scenario and take turns, the order turned round each time. CPU is user and system time of the server's process by the number of requests. Every status is counted, and an answer is read and compared before and after each round: a single bad one fails the run.`,
  bars,
  missing: () => missingTools('wrk', 'wasmtime', 'cargo'),
  async run({ rounds, say }) {
    const file = example('hello-tiny');
    const servers = { copepod: await startRuntime({ services: [{ name: 'hello', file }] }), [PEER]: await startPrecompiledPeer(file), 'bare hyper': await startHyper() };
    try {
      return await compareServing(servers, { rounds, connections: CONNECTIONS, seconds: SECONDS, expect: 'hello from copepod\n', say });
    } finally {
      for (const server of Object.values(servers)) await server.stop();
    }
  },
};
