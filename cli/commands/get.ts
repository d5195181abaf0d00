// copepod get: what there is.

import { type AnyKind } from '@copepod/api/kinds';
import { isRecord, type KubeObject } from '@copepod/api/meta';
import { collectionPath, expectOk, objectPath, resourceClient } from '@copepod/client/rest';
import { type Connection, connected, type Io } from '../context.ts';
import { type Format, parseFormat, render, renderTable } from '../output/index.ts';
import { parseSelection, type Selection } from '../resources.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object?: { readonly metadata?: { readonly namespace?: string } } }[];
}

export const get: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('get <type> [names...]').description('List objects, or show some of them'))
      .option('-A, --all-namespaces', 'of every namespace')
      .option('-l, --selector <labels>', 'only those with these labels')
      .option('-o, --output <format>', 'table, wide, json, yaml or name')
      .action(async (type: string, names: readonly string[], options: ClusterOptions) => run(io, [type, ...names], options));
    examples(command, ['copepod get pods', 'copepod get deploy,svc -A', 'copepod get pod web-1 -o yaml', 'copepod get all -l app=web']);
  },
};

async function run(io: Io, words: readonly string[], options: ClusterOptions): Promise<void> {
  const format = parseFormat(options.output);
  const selection = parseSelection(words);
  await connected(io, options, (connection) => show(io, { connection, selection, format, options }));
}

interface Wanted {
  readonly connection: Connection;
  readonly selection: Selection;
  readonly format: Format;
  readonly options: ClusterOptions;
}

async function show(io: Io, { connection, selection: { kinds, names }, format, options }: Wanted): Promise<void> {
  let shown = 0;
  for (const kind of kinds) {
    const namespace = kind.namespaced && options.allNamespaces !== true ? connection.namespace : undefined;
    if (format === 'table' || format === 'wide') {
      const tables = await fetchTables(connection, kind, namespace, names, options.selector);
      const rows = tables.flatMap((table) => table.rows);
      if (rows.length === 0 && kinds.length > 1) continue;
      if (shown > 0) io.out('\n');
      shown += rows.length;
      io.out(renderTables(kind, tables, { wide: format === 'wide', namespaces: options.allNamespaces === true && kind.namespaced, prefix: kinds.length > 1 }));
    } else {
      const client = resourceClient<KubeObject>(connection.transport, kind);
      const list = names.length === 0 ? await client.list({ namespace, labelSelector: options.selector }) : undefined;
      const objects = list === undefined ? await Promise.all(names.map((name) => client.get({ namespace, name }))) : list.items.map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }));
      const [only] = objects;
      shown += objects.length;
      io.out(render(format, kind, names.length === 1 && only !== undefined ? only : { apiVersion: 'v1', kind: 'List', metadata: {}, items: objects }));
    }
  }
  if (shown === 0 && names.length === 0) io.err(`No resources found${options.allNamespaces === true || !kinds.some((kind) => kind.namespaced) ? '' : ` in ${connection.namespace} namespace`}.\n`);
}

async function fetchTables({ transport }: Connection, kind: AnyKind, namespace: string | undefined, names: readonly string[], selector: string | undefined): Promise<readonly Table[]> {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  const paths = names.length === 0 ? [collectionPath(kind, namespace)] : names.map((name) => objectPath(kind, { namespace, name }));
  return Promise.all(paths.map(async (path) => expectOk(await transport.request({ method: 'GET', path, accept, query: selector === undefined ? {} : { labelSelector: selector } })) as Table));
}

function renderTables(kind: AnyKind, tables: readonly Table[], options: { readonly wide: boolean; readonly namespaces: boolean; readonly prefix: boolean }): string {
  const rows = tables.flatMap((table) => table.rows);
  const columns = (tables[0]?.columnDefinitions ?? []).map((column, index) => ({ ...column, index })).filter((column) => options.wide || column.priority === 0);
  if (rows.length === 0) return '';
  const header = [...(options.namespaces ? ['namespace'] : []), ...columns.map((column) => column.name)];
  return renderTable(header, rows.map((row) => [
    ...(options.namespaces ? [isRecord(row.object) ? row.object.metadata?.namespace ?? '' : ''] : []),
    ...columns.map(({ index }) => `${options.prefix && index === 0 ? `${kind.singular}/` : ''}${String(row.cells[index])}`),
  ]));
}
