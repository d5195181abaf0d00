// Requests per second through the proxy against wasmtime's own server.
import { example, interleave, missingTools, type Scenario, startCluster, startPeer, untilAnswer, wrk } from '../harness/index.ts';

const SECONDS = 4;

export const throughput: Scenario = {
  name: 'throughput',
  group: 'cluster',
  title: 'Requests per second',
  method: `\`wrk\` with one thread for ${SECONDS} s a round against the same 6 KB component (wasi:http 0.2, a fresh instance for each request, chunked 19-byte body): through Copepod's gateway, and from \`wasmtime serve\` 48.0.8 with the pooling allocator and its memory kept resident, built with the same link-time optimisation. Both processes run during the whole scenario; rounds alternate; a single answer that is not 200 fails the run.`,
  bars: [{ metric: '32 connections', subject: 'copepod', peer: 'wasmtime serve', atLeast: 0.8 }],
  missing: () => missingTools('wrk', 'wasmtime'),
  async run({ rounds, say }) {
    const cluster = await startCluster();
    const peer = await startPeer(example('hello-tiny'));
    try {
      cluster.copepod('deploy', example('hello-tiny'));
      const host = 'hello-tiny.default.localhost';
      await untilAnswer(`${cluster.gateway}/`, host);
      await untilAnswer(`${peer.url}/`);
      const measurements = [];
      for (const connections of [1, 32, 256]) {
        say(`${connections} connections`);
        const samples = await interleave(rounds, {
          copepod: async () => (await wrk(`${cluster.gateway}/`, { connections, seconds: SECONDS, host })).requestsPerSecond,
          'wasmtime serve': async () => (await wrk(`${peer.url}/`, { connections, seconds: SECONDS })).requestsPerSecond,
        });
        for (const [subject, values] of Object.entries(samples)) measurements.push({ subject, metric: `${connections} connections`, unit: '/s', better: 'higher' as const, samples: values });
      }
      return measurements;
    } finally {
      await peer.stop();
      await cluster.stop();
    }
  },
};
