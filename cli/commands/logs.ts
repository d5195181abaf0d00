// copepod logs: what a component wrote.

import { POD, type Pod } from '@copepod/api/kinds';
import { formatLabelSelector, isRecord, labelMatcher } from '@copepod/api/meta';
import { isTransportError, objectPath, resourceClient, type Transport } from '@copepod/client/rest';
import { connected } from '../context.ts';
import { Failure } from '../failure.ts';
import { parseOne } from '../resources.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

interface LogOptions extends ClusterOptions {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly since?: string;
}

export const logs: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('logs <target>').description('Show what a pod wrote; of a deployment, its first pod'))
      .option('-f, --follow', 'go on as more is written')
      .option('--tail <lines>', 'only the last so many lines')
      .option('-p, --previous', 'of the container before its last restart')
      .option('--timestamps', 'with the time of each line')
      .option('--since <seconds>', 'only the last so many seconds')
      .action(async (target: string, options: LogOptions) => connected(io, options, async ({ transport, namespace }) => {
        const name = target.includes('/') ? await podOf(transport, namespace, target) : target;
        const query = {
          ...(options.follow === true ? { follow: 'true' } : {}), ...(options.tail === undefined ? {} : { tailLines: options.tail }),
          ...(options.previous === true ? { previous: 'true' } : {}), ...(options.timestamps === true ? { timestamps: 'true' } : {}),
          ...(options.since === undefined ? {} : { sinceSeconds: options.since }),
        };
        const decoder = new TextDecoder();
        try {
          for await (const chunk of transport.stream({ method: 'GET', path: objectPath(POD, { namespace, name }, 'log'), query, accept: '*/*', signal: io.interrupted })) io.out(decoder.decode(chunk, { stream: true }));
        } catch (error) {
          if (!isTransportError(error, 'Aborted')) throw error;
        }
      }));
    examples(command, ['copepod logs web-1 -f', 'copepod logs deployment/web --tail 20', 'copepod logs web-1 --previous']);
  },
};

async function podOf(transport: Transport, namespace: string, target: string): Promise<string> {
  const { kind, name } = parseOne([target]);
  if (kind.kind === 'Pod') return name;
  const object = await resourceClient(transport, kind).get({ namespace, name });
  const selector = isRecord(object['spec']) ? object['spec']['selector'] : undefined;
  const labels = kind.kind === 'Service' ? { matchLabels: selector as Record<string, string> } : selector as NonNullable<Parameters<typeof labelMatcher>[0]>;
  const pods: readonly Pod[] = (await resourceClient(transport, POD).list({ namespace, labelSelector: formatLabelSelector(labelMatcher(labels) ?? []) })).items;
  const found = pods[0]?.metadata.name;
  if (found === undefined) throw new Failure(`${target} has no pods`);
  return found;
}
