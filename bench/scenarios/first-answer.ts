// How long from a manifest to the first 200.
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEPLOYMENT, SERVICE } from '@copepod/api/kinds';
import { resourceClient } from '@copepod/client/rest';
import { type Cluster, example, interleave, missingTools, type Scenario, startCluster, startPeer, untilAnswer } from '../harness/index.ts';

let count = 0;

/** The same component under a digest nobody has seen: a custom section with a number is added. */
function unseen(file: string, folder: string): string {
  count += 1;
  const name = Buffer.from(`bench-${String(count).padStart(6, '0')}`);
  const section = Buffer.concat([Buffer.from([0, name.length + 1, name.length]), name]);
  const path = join(folder, `${name.toString()}.wasm`);
  writeFileSync(path, Buffer.concat([readFileSync(file), section]));
  return path;
}

async function deploy(cluster: Cluster, image: string): Promise<number> {
  count += 1;
  const name = `bench-${count}`;
  const labels = { app: name };
  const deployments = resourceClient(cluster.transport, DEPLOYMENT);
  const services = resourceClient(cluster.transport, SERVICE);
  const began = performance.now();
  await services.create({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec: { selector: labels, ports: [{ port: 8081 }] } });
  await deployments.create({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'default' }, spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } } } });
  await untilAnswer(`${cluster.gateway}/`, `${name}.default.localhost`);
  const took = performance.now() - began;
  await deployments.delete({ namespace: 'default', name });
  await services.delete({ namespace: 'default', name });
  return took;
}

export const firstAnswer: Scenario = {
  name: 'first-answer',
  group: 'cluster',
  title: 'From a manifest to the first answer',
  method: 'From sending a Service and a Deployment to the API server (each write fsynced) to the first 200 at the gateway, asked every millisecond: of a component the node has run before, and of one whose digest it has never seen, so that it is read, compiled and linked first (6 KB WAT; 1.2 MB JavaScript on QuickJS). The peer is the start of a `wasmtime serve` process on the same unseen file to its first 200, which has no API, store or scheduler to pass.',
  missing: () => missingTools('wasmtime'),
  async run({ rounds, say }) {
    const folder = mkdtempSync(join(tmpdir(), 'copepod-bench-'));
    const cluster = await startCluster();
    const serve = async (file: string): Promise<number> => {
      const began = performance.now();
      const peer = await startPeer(file);
      await untilAnswer(`${peer.url}/`);
      const took = performance.now() - began;
      await peer.stop();
      return took;
    };
    try {
      const measurements = [];
      await deploy(cluster, `file://${example('hello-tiny')}`);
      for (const [metric, name] of [['unseen 6 KB component', 'hello-tiny'], ['unseen 1.2 MB JavaScript component', 'hello']] as const) {
        say(metric);
        const samples = await interleave(rounds, {
          copepod: async () => deploy(cluster, `file://${unseen(example(name), folder)}`),
          'wasmtime serve': async () => serve(unseen(example(name), folder)),
        });
        for (const [subject, values] of Object.entries(samples)) measurements.push({ subject, metric, unit: 'ms', better: 'lower' as const, samples: values });
      }
      say('known component');
      const known = await interleave(rounds * 3, { copepod: async () => deploy(cluster, `file://${example('hello-tiny')}`) });
      measurements.push({ subject: 'copepod', metric: 'known component', unit: 'ms', better: 'lower' as const, samples: known['copepod'] ?? [] });
      return measurements;
    } finally {
      await cluster.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
