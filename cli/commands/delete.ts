// copepod delete: take objects away, and wait until they are gone.

import { isNotFound } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import { resourceClient, type Transport } from '@copepod/client/rest';
import { connected, type Io } from '../context.ts';
import { usage } from '../failure.ts';
import { readManifests } from '../manifests.ts';
import { parseSelection } from '../resources.ts';
import { type CliCommand, clusterFlags, collect, type ClusterOptions, examples } from './command.ts';

interface DeleteOptions extends ClusterOptions {
  readonly filename?: readonly string[];
  readonly wait: boolean;
  readonly gracePeriod?: string;
}

interface Doomed {
  readonly kind: AnyKind;
  readonly namespace: string | undefined;
  readonly name: string;
}

const POLL_MS = 100;

export const remove: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('delete [words...]').description('Delete objects by type and name, by label, or those of manifests'))
      .option('-f, --filename <path>', 'the objects of these manifests; may be repeated', collect)
      .option('-l, --selector <labels>', 'those with these labels')
      .option('--grace-period <seconds>', 'how long a pod may take to finish')
      .option('--no-wait', 'do not wait until they are gone')
      .action(async (words: readonly string[], options: DeleteOptions) => connected(io, options, async ({ transport, namespace }) => {
        const doomed = await select(transport, namespace, words, options);
        for (const target of doomed) await removeOne(io, transport, target, options);
        if (options.wait) for (const target of doomed) await untilGone(io, transport, target);
      }));
    examples(command, ['copepod delete deployment web', 'copepod delete -f deployment.yaml', 'copepod delete pods -l app=web']);
  },
};

async function select(transport: Transport, namespace: string, words: readonly string[], options: DeleteOptions): Promise<readonly Doomed[]> {
  if (options.filename !== undefined) {
    return readManifests(options.filename).map(({ kind, object }) => ({ kind, namespace: kind.namespaced ? options.namespace ?? object.metadata.namespace ?? namespace : undefined, name: object.metadata.name ?? '' })).toReversed();
  }
  if (words.length === 0) throw usage('say what to delete', 'e.g. copepod delete deployment web, or -f deployment.yaml');
  const { kinds, names } = parseSelection(words);
  if (names.length === 0 && options.selector === undefined) throw usage(`name the ${words[0]} to delete`, 'or choose them with --selector');
  const found = await Promise.all(kinds.map(async (kind): Promise<readonly Doomed[]> => {
    const within = kind.namespaced ? namespace : undefined;
    if (names.length > 0) return names.map((name) => ({ kind, namespace: within, name }));
    const { items } = await resourceClient(transport, kind).list({ namespace: within, labelSelector: options.selector });
    return items.map((item) => ({ kind, namespace: within, name: item.metadata.name ?? '' }));
  }));
  return found.flat();
}

async function removeOne(io: Io, transport: Transport, { kind, namespace, name }: Doomed, options: DeleteOptions): Promise<void> {
  const gracePeriodSeconds = options.gracePeriod === undefined ? undefined : Number(options.gracePeriod);
  if (gracePeriodSeconds !== undefined && !Number.isSafeInteger(gracePeriodSeconds)) throw usage(`--grace-period ${options.gracePeriod} is not a whole number of seconds`);
  await resourceClient(transport, kind).delete({ namespace, name }, { propagationPolicy: 'Background', gracePeriodSeconds });
  io.out(`${kind.singular}/${name} deleted\n`);
}

async function untilGone(io: Io, transport: Transport, { kind, namespace, name }: Doomed): Promise<void> {
  const client = resourceClient(transport, kind);
  const uid = await client.find({ namespace, name }).then((object) => object?.metadata.uid);
  if (uid === undefined) return;
  while (!io.interrupted.aborted) {
    const now = await client.find({ namespace, name }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (now?.metadata.uid !== uid) return;
    await io.clock.sleep(POLL_MS, io.interrupted).catch(() => {});
  }
}
