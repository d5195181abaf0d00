// What every command shares: how it is registered, and the flags of those that talk to a cluster.

import type { Command } from 'commander';
import type { ConnectionOptions, Io } from '../context.ts';

export interface CliCommand {
  readonly register: (program: Command, io: Io) => void;
}

export function clusterFlags(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'which cluster, and who you are (default: KUBECONFIG, else the one of the data directory)')
    .option('--context <name>', 'a context of the kubeconfig')
    .option('-n, --namespace <name>', 'namespace (default: of the context)');
}

export interface ClusterOptions extends ConnectionOptions {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output?: string;
}

/** For options that may be repeated. */
export function collect(value: string, values: readonly string[] | undefined): readonly string[] {
  return [...(values ?? []), value];
}

/** `--help` ends with these. */
export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`);
}
