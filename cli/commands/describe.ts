// copepod describe: one object and what happened to it.

import { EVENT, formatAge } from '@copepod/api/kinds';
import { isRecord } from '@copepod/api/meta';
import { resourceClient } from '@copepod/client/rest';
import { stringify } from 'yaml';
import { connected } from '../context.ts';
import { renderTable } from '../output/index.ts';
import { parseOne } from '../resources.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

export const describe: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('describe <type> [name]').description('Show one object in full, with its events'))
      .action(async (type: string, name: string | undefined, options: ClusterOptions) => connected(io, options, async ({ transport, namespace }) => {
        const { kind, name: wanted } = parseOne([type, ...(name === undefined ? [] : [name])]);
        const object = await resourceClient(transport, kind).get({ namespace: kind.namespaced ? namespace : undefined, name: wanted });
        const { managedFields: _, ...metadata } = object.metadata;
        const shown = Object.fromEntries(Object.entries({ ...object, metadata }).filter(([, value]) => !isRecord(value) || Object.keys(value).length > 0));
        io.out(stringify(shown, { lineWidth: 0 }));
        const events = await resourceClient(transport, EVENT).list({ namespace: kind.namespaced ? namespace : undefined, fieldSelector: `involvedObject.uid=${object.metadata.uid}` });
        const rows = events.items.map((event) => [
          event.type ?? '', event.reason ?? '', `${formatAge(event.lastTimestamp ?? event.metadata.creationTimestamp, io.clock.now())}${(event.count ?? 1) > 1 ? ` (x${event.count})` : ''}`,
          event.source?.component ?? '', event.message ?? '',
        ]);
        io.out(rows.length === 0 ? 'events: none\n' : `\n${renderTable(['type', 'reason', 'age', 'from', 'message'], rows)}`);
      }));
    examples(command, ['copepod describe deployment web', 'copepod describe pod/web-1']);
  },
};
