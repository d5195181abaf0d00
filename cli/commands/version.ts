// copepod version: of this program, and of the server when there is one.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isTransportError, isKubeconfigError } from '@copepod/client/rest';
import { connected } from '../context.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

export const RELEASE = (JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string }).version;

export const version: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('version').description('Show versions')).option('--client', 'of this program alone')
      .action(async (options: ClusterOptions & { client?: boolean }) => {
        io.out(`copepod ${RELEASE}\n`);
        if (options.client === true) return;
        try {
          await connected(io, options, async ({ transport }) => {
            const { body } = await transport.request({ method: 'GET', path: '/version' });
            io.out(`server ${(body as { gitVersion?: string }).gitVersion ?? 'unknown'}\n`);
          });
        } catch (error) {
          if (!isTransportError(error) && !isKubeconfigError(error)) throw error;
          io.out(`server not reached: ${error.message}\n`);
        }
      });
    examples(command, ['copepod version', 'copepod version --client']);
  },
};
