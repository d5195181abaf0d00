// copepod scale: how many replicas.

import { resourceClient } from '@copepod/client/rest';
import { connected } from '../context.ts';
import { usage } from '../failure.ts';
import { parseOne } from '../resources.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

export const scale: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('scale <type> [name]').description('Set how many replicas a deployment or replica set has'))
      .requiredOption('--replicas <count>', 'how many')
      .action(async (type: string, name: string | undefined, options: ClusterOptions & { replicas: string }) => connected(io, options, async ({ transport, namespace }) => {
        const replicas = Number(options.replicas);
        if (!Number.isSafeInteger(replicas) || replicas < 0) throw usage(`--replicas ${options.replicas} is not a whole number of at least 0`);
        const { kind, name: wanted } = parseOne([type, ...(name === undefined ? [] : [name])]);
        if (!kind.subresources.includes('scale')) throw usage(`a ${kind.singular} has no replicas`, 'deployments and replicasets have');
        await resourceClient(transport, kind).scale({ namespace, name: wanted }, replicas);
        io.out(`${kind.singular}/${wanted} scaled\n`);
      }));
    examples(command, ['copepod scale deployment web --replicas 10', 'copepod scale deploy/web --replicas 0']);
  },
};
