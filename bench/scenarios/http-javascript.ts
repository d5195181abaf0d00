// JavaScript components on both of their engines, fresh and used again.

import { type Bar, compareServing, guest, type Measurement, missingTools, type Scenario, servingMetric, startPrecompiledPeer, startRuntime } from '../harness/index.ts';

const SECONDS = 3;
const CONNECTIONS = 32;
const REUSES = 128;
const PEER = 'wasmtime serve';
const BACKENDS = [['StarlingMonkey', 'starling'], ['QuickJS', 'quickjs']] as const;

const bars = BACKENDS.flatMap(([backend]): readonly Bar[] => [
  { metric: servingMetric('requests', CONNECTIONS, `${backend} fresh`), subject: 'copepod', peer: PEER, atLeast: 1.5 },
  { metric: servingMetric('requests', CONNECTIONS, `${backend} reused`), subject: 'copepod', peer: PEER, atLeast: 1.2 },
]);

export const httpJavascript: Scenario = {
  name: 'http-javascript',
  group: 'runtime',
  title: 'HTTP, JavaScript components',
  method: `The same short answer in JavaScript: on StarlingMonkey (\`jco componentize --disable all\`, 14 MB, wasi:http 0.2) and on QuickJS (\`componentize-qjs --opt-size\`, 1.1 MB, wasi:http 0.3), \`wrk -t1 -c${CONNECTIONS}\` for ${SECONDS} s a round. Fresh: an instance for each request (\`--max-instance-reuse-count 1\`). Reused: ${REUSES} requests an instance, on QuickJS 16 of them at a time on both sides (wasmtime's default). Everything else as in the scenarios before it.`,
  bars,
  missing: () => missingTools('wrk', 'wasmtime'),
  async run({ rounds, say }) {
    const measurements: Measurement[] = [];
    for (const [backend, name] of BACKENDS) {
      const file = await guest(name);
      for (const reuses of [1, REUSES]) {
        const label = `${backend} ${reuses === 1 ? 'fresh' : 'reused'}`;
        const reuse = reuses === 1 ? { is: 'request' } as const : { is: 'pooled', max: reuses, idleMs: 1000, concurrent: 16 } as const;
        const servers = { copepod: await startRuntime({ services: [{ name: 'hello', file, reuse }] }), [PEER]: await startPrecompiledPeer(file, { reuses }) };
        try {
          measurements.push(...(await compareServing(servers, { rounds, connections: [CONNECTIONS], seconds: SECONDS, expect: 'hello from javascript\n', label, say })));
        } finally {
          for (const server of Object.values(servers)) await server.stop();
        }
      }
    }
    return measurements;
  },
};
