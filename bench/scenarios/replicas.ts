// A thousand replicas: how soon they are ready, and what they weigh.
import { DEPLOYMENT } from '@copepod/api/kinds';
import { resourceClient } from '@copepod/client/rest';
import { setTimeout as sleep } from 'node:timers/promises';
import { example, memoryOf, type Scenario, startCluster } from '../harness/index.ts';

const REPLICAS = 1000;

export const replicas: Scenario = {
  name: 'replicas',
  group: 'cluster',
  title: 'A thousand replicas',
  method: `One \`copepod up\` process (API server, store, controllers, scheduler, agent, proxy, engine). Time from scaling a Deployment from 0 to ${REPLICAS} until its status says all are ready, every pod and status written to LMDB with fsync. Memory is the proportional set size of that process: fresh and idle; with ${REPLICAS} ready replicas, 10 s after they were.`,
  async run({ rounds, say }) {
    const [ready, idle, loaded]: number[][] = [[], [], []];
    for (let round = 0; round < Math.max(2, Math.ceil(rounds / 2)); round += 1) {
      say(`round ${round + 1}`);
      const cluster = await startCluster();
      try {
        await sleep(3000);
        idle?.push(memoryOf(cluster.pid));
        cluster.copepod('deploy', example('hello-tiny'), '--replicas', '0');
        const client = resourceClient(cluster.transport, DEPLOYMENT);
        const ref = { namespace: 'default', name: 'hello-tiny' };
        const { metadata } = await client.get(ref);
        const began = performance.now();
        await client.scale(ref, REPLICAS);
        for await (const event of client.watch({ namespace: 'default', resourceVersion: metadata.resourceVersion })) {
          if (event.type === 'MODIFIED' && event.object.status?.readyReplicas === REPLICAS) break;
        }
        ready?.push(performance.now() - began);
        await sleep(10_000);
        loaded?.push(memoryOf(cluster.pid));
      } finally {
        await cluster.stop();
      }
    }
    return [
      { subject: 'copepod', metric: `${REPLICAS} replicas ready`, unit: 'ms', better: 'lower', samples: ready ?? [] },
      { subject: 'copepod', metric: 'memory, idle', unit: 'MiB', better: 'lower', samples: idle ?? [] },
      { subject: 'copepod', metric: `memory, ${REPLICAS} replicas`, unit: 'MiB', better: 'lower', samples: loaded ?? [] },
    ];
  },
};
