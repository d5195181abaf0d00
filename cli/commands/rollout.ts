// copepod rollout: follow, undo and restart what a deployment rolls out.

import { type Deployment, DEPLOYMENT, REPLICA_SET } from '@copepod/api/kinds';
import { isControlledBy } from '@copepod/api/meta';
import { resourceClient, type Transport } from '@copepod/client/rest';
import { connected, type Io } from '../context.ts';
import { Failure, usage } from '../failure.ts';
import { parseOne } from '../resources.ts';
import { waitForRollout } from '../rollout.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

const REVISION = 'deployment.kubernetes.io/revision';

interface RolloutOptions extends ClusterOptions {
  readonly timeout?: string;
  readonly toRevision?: string;
}

type Action = (io: Io, transport: Transport, ref: { readonly namespace: string; readonly name: string }, options: RolloutOptions) => Promise<void>;

const status: Action = async (io, transport, ref, options) => {
  const seconds = options.timeout === undefined ? undefined : Number(options.timeout.replace(/s$/, ''));
  const late = new AbortController();
  const cancel = seconds === undefined ? undefined : io.clock.after(seconds * 1000, () => late.abort());
  await waitForRollout({ transport, ...ref, signal: AbortSignal.any([io.interrupted, late.signal]), say: io.out }).finally(() => cancel?.());
};

const undo: Action = async (io, transport, ref, options) => {
  const client = resourceClient(transport, DEPLOYMENT);
  const deployment = await client.get(ref);
  const sets = (await resourceClient(transport, REPLICA_SET).list({ namespace: ref.namespace })).items.filter((set) => isControlledBy(set, deployment));
  const revisionOf = (object: { readonly metadata: Deployment['metadata'] }): number => Number(object.metadata.annotations?.[REVISION] ?? 0);
  const older = sets.filter((set) => revisionOf(set) < revisionOf(deployment)).sort((a, b) => revisionOf(b) - revisionOf(a));
  const target = options.toRevision === undefined ? older[0] : sets.find((set) => revisionOf(set) === Number(options.toRevision));
  if (target?.spec?.template === undefined) throw new Failure(`deployment "${ref.name}" has no ${options.toRevision === undefined ? 'earlier revision' : `revision ${options.toRevision}`}`, { hint: `it has ${sets.map(revisionOf).sort((a, b) => a - b).join(', ')}` });
  const { 'pod-template-hash': _, ...labels } = target.spec.template.metadata?.labels ?? {};
  const template = { ...target.spec.template, metadata: { ...target.spec.template.metadata, labels } };
  await client.patch(ref, { type: 'json', body: [{ op: 'test', path: '/metadata/uid', value: deployment.metadata.uid }, { op: 'replace', path: '/spec/template', value: template }] });
  io.out(`deployment/${ref.name} rolled back to revision ${revisionOf(target)}\n`);
};

const restart: Action = async (io, transport, ref) => {
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date(io.clock.now()).toISOString() };
  await resourceClient(transport, DEPLOYMENT).patch(ref, { type: 'merge', body: { spec: { template: { metadata: { annotations } } } } });
  io.out(`deployment/${ref.name} restarted\n`);
};

export const rollout: CliCommand = {
  register(program, io) {
    const group = program.command('rollout').description('Follow, undo or restart the rollout of a deployment');
    examples(group, ['copepod rollout status deployment/web', 'copepod rollout undo deployment/web', 'copepod rollout restart deployment/web']);
    const add = (name: string, description: string, action: Action): ReturnType<typeof group.command> => {
      const command = clusterFlags(group.command(`${name} <type> [name]`).description(description));
      command.action(async (type: string, object: string | undefined, options: RolloutOptions) => connected(io, options, async ({ transport, namespace }) => {
        const target = parseOne([type, ...(object === undefined ? [] : [object])]);
        if (target.kind.kind !== 'Deployment') throw usage(`a ${target.kind.singular} has no rollout`, 'deployments have');
        await action(io, transport, { namespace, name: target.name }, options);
      }));
      return examples(command, [`copepod rollout ${name} deployment/web`]);
    };
    add('status', 'Wait until the newest template runs everywhere', status).option('--timeout <seconds>', 'give up after so long');
    add('undo', 'Go back to an earlier template', undo).option('--to-revision <number>', 'which (default: the one before)');
    add('restart', 'Replace every pod, gradually', restart);
  },
};
