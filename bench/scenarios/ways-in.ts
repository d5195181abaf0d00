// What a whole cluster around the runtime costs a request: by its gateway and by a ClusterIP.

import { SERVICE } from '@copepod/api/kinds';
import { resourceClient } from '@copepod/client/rest';
import { type Bar, compareServing, example, missingTools, type Scenario, servingMetric, startCluster, startRuntime } from '../harness/index.ts';

const SECONDS = 3;
const CONNECTIONS = 32;
const ALONE = 'the runtime alone';
const metric = servingMetric('requests', CONNECTIONS);

export const waysIn: Scenario = {
  name: 'ways-in',
  group: 'runtime',
  title: 'Through the cluster',
  method: `\`wrk -t1 -c${CONNECTIONS}\` for ${SECONDS} s a round on \`examples/hello-tiny\`, a fresh instance for each request: the runtime in a Node process of its own with one route in its table, and one \`copepod up\` process (API server, store, controllers, scheduler, agent) by its gateway and by the Service's ClusterIP.`,
  bars: ['by the gateway', 'by ClusterIP'].flatMap((subject): readonly Bar[] => [
    { metric, subject, peer: ALONE, atLeast: 0.9 },
    { metric, subject, peer: ALONE, atLeast: 0.97, aim: true },
  ]),
  missing: () => missingTools('wrk'),
  async run({ rounds, say }) {
    const file = example('hello-tiny');
    const alone = await startRuntime({ services: [{ name: 'hello', file }] });
    const cluster = await startCluster();
    try {
      cluster.copepod('deploy', file);
      const { spec } = await resourceClient(cluster.transport, SERVICE).get({ namespace: 'default', name: 'hello-tiny' });
      const contenders = {
        [ALONE]: alone,
        'by the gateway': { url: cluster.gateway, host: 'hello-tiny.default.localhost', pid: cluster.pid },
        'by ClusterIP': { url: `http://${spec?.clusterIP}:${spec?.ports?.[0]?.port}`, pid: cluster.pid },
      };
      return await compareServing(contenders, { rounds, connections: [CONNECTIONS], seconds: SECONDS, expect: 'hello from copepod\n', say });
    } finally {
      await cluster.stop();
      await alone.stop();
    }
  },
};
