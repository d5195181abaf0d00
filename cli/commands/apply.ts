// copepod apply -f: make the cluster what manifests say.

import { applyObject } from '../apply.ts';
import { connected } from '../context.ts';
import { Failure, explain, usage } from '../failure.ts';
import { readManifests } from '../manifests.ts';
import { type CliCommand, clusterFlags, collect, type ClusterOptions, examples } from './command.ts';

export const apply: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('apply').description('Create or change objects to be what manifests say'))
      .option('-f, --filename <path>', 'a file, a directory, or - for standard input; may be repeated', collect)
      .option('--dry-run', 'only ask the server what it would do')
      .action(async (options: ClusterOptions & { filename?: readonly string[]; dryRun?: boolean }) => {
        if (options.filename === undefined) throw usage('say which manifests to apply', 'e.g. copepod apply -f deployment.yaml');
        const manifests = readManifests(options.filename);
        await connected(io, options, async ({ transport, namespace }) => {
          for (const { kind, object, where } of manifests) {
            const placed = kind.namespaced ? { ...object, metadata: { ...object.metadata, namespace: options.namespace ?? object.metadata.namespace ?? namespace } } : object;
            try {
              const done = await applyObject(transport, kind, placed, { dryRun: options.dryRun === true });
              io.out(`${kind.singular}/${object.metadata.name} ${done}${options.dryRun === true ? ' (dry run)' : ''}\n`);
            } catch (error) {
              const known = explain(error);
              throw known === undefined ? error : new Failure(`${where}: ${known.message}`, { hint: known.hint, cause: error });
            }
          }
        });
      });
    examples(command, ['copepod apply -f deployment.yaml', 'copepod apply -f manifests/', 'cat web.yaml | copepod apply -f -']);
  },
};
