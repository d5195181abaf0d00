// What deciding costs: the parts of every write and every request to the API, in process.
import { KINDS } from '@copepod/api/kinds';
import { applyStrategicMergePatch } from '@copepod/api/patch';
import { checkStruct } from '@copepod/api/schema';
import { Bench } from 'tinybench';
import type { Scenario } from '../harness/index.ts';

const deployment = {
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
  spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web:1', env: Array.from({ length: 10 }, (_, index) => ({ name: `V${index}`, value: String(index) })) }] } } },
};
const patch = { spec: { template: { spec: { containers: [{ name: 'web', image: 'web:2' }] } } } };

export const decisions: Scenario = {
  name: 'decisions',
  group: 'cluster',
  title: 'Judging an object',
  method: 'tinybench, in process: the schema check, the defaults and rules, and a strategic merge patch of a Deployment with one container and ten variables; `JSON.parse` of the same object is the yardstick.',
  async run({ rounds, say }) {
    const kind = KINDS.find((known) => known.kind === 'Deployment');
    if (kind === undefined) throw new Error('there is no Deployment');
    const text = JSON.stringify(deployment);
    const full = kind.defaults(deployment);
    const bench = new Bench({ time: 200 * rounds, warmupTime: 200 })
      .add('JSON.parse', () => void JSON.parse(text))
      .add('schema check', () => void checkStruct('apps.v1.Deployment', deployment))
      .add('defaults and rules', () => void kind.validate(kind.defaults(deployment)))
      .add('strategic merge patch', () => void applyStrategicMergePatch('apps.v1.Deployment', full, patch));
    say('tinybench');
    await bench.run();
    return bench.tasks.flatMap((task) => {
      const { result } = task;
      return 'latency' in result ? [{ subject: task.name, metric: 'one object', unit: 'µs', better: 'lower' as const, samples: [result.latency.mean * 1000] }] : [];
    });
  },
};
