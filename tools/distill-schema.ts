// Distils Kubernetes' published OpenAPI into the compact table the API works from, and TypeScript types. Run it to take a newer
// release: `bin/copepod-node tools/distill-schema.ts v1.37.2` (needs Go, for its module proxy). Facts only: no descriptions are taken.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOTS = [
  'core.v1.Namespace', 'core.v1.Node', 'core.v1.Pod', 'core.v1.Service', 'core.v1.ConfigMap', 'core.v1.Secret', 'core.v1.Event', 'core.v1.Binding',
  'apps.v1.Deployment', 'apps.v1.ReplicaSet', 'coordination.v1.Lease', 'discovery.v1.EndpointSlice', 'autoscaling.v1.Scale', 'meta.v1.DeleteOptions',
];

interface Property {
  readonly type?: string;
  readonly format?: string;
  readonly $ref?: string;
  readonly items?: Property;
  readonly additionalProperties?: Property;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-patch-strategy'?: string;
}

interface Definition extends Property {
  readonly properties?: Readonly<Record<string, Property>>;
  readonly required?: readonly string[];
}

const SCALARS: Readonly<Record<string, string>> = {
  'api.resource.Quantity': 'quantity', 'util.intstr.IntOrString': 'int-or-string', 'meta.v1.Time': 'time', 'meta.v1.MicroTime': 'time', 'meta.v1.FieldsV1': 'any',
};

/** What the generated types take from the vocabulary instead of making it anew. */
const META = '../meta/index.ts';
const version = process.argv[2] ?? 'v1.37.2';
const root = dirname(import.meta.dirname);
const done = spawnSync('go', ['mod', 'download', '-json', `k8s.io/kubernetes@${version}`], { encoding: 'utf8' });
if (done.status !== 0) throw new Error(`go mod download: ${done.stderr}`);
const { Dir } = JSON.parse(done.stdout) as { Dir: string };
const { definitions } = JSON.parse(readFileSync(join(Dir, 'api/openapi-spec/swagger.json'), 'utf8')) as { definitions: Record<string, Definition> };

/** `io.k8s.api.apps.v1.Deployment` → `apps.v1.Deployment`. */
const shorten = (name: string): string => name.replace(/^io\.k8s\.(api|apimachinery\.pkg\.apis|apimachinery\.pkg)\./, '');
const byName = new Map(Object.entries(definitions).map(([name, definition]) => [shorten(name), definition]));
const typeNames = new Map<string, string>();

function notation(property: Property): string {
  if (property.$ref !== undefined) {
    const name = shorten(property.$ref.slice('#/definitions/'.length));
    return SCALARS[name] ?? `@${name}`;
  }
  if (property.type === 'array') return `[]${notation(property.items ?? {})}`;
  if (property.type === 'object') return property.additionalProperties === undefined ? 'any' : `{}${notation(property.additionalProperties)}`;
  if (property.type === 'string') return property.format === 'byte' ? 'bytes' : 'string';
  return property.type ?? 'any';
}

function typeScript(text: string): string {
  if (text.startsWith('[]')) return `readonly ${typeScript(text.slice(2)).replace(/^(readonly .*)$/, '($1)')}[]`;
  if (text.startsWith('{}')) return `Readonly<Record<string, ${typeScript(text.slice(2))}>>`;
  if (text.startsWith('@')) return typeNames.get(text.slice(1)) ?? 'never';
  const scalars: Readonly<Record<string, string>> = { integer: 'number', number: 'number', boolean: 'boolean', 'int-or-string': 'number | string', any: 'Readonly<Record<string, unknown>>' };
  return scalars[text] ?? 'string';
}

const table: Record<string, { fields: Record<string, unknown>; required?: readonly string[] }> = {};
const queue = [...ROOTS];
for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
  if (name in table) continue;
  const definition = byName.get(name);
  if (definition === undefined) throw new Error(`no definition ${name} in ${version}`);
  const fields: Record<string, unknown> = {};
  for (const [field, property] of Object.entries(definition.properties ?? {})) {
    const type = notation(property);
    const referred = /@(.+)$/.exec(type)?.[1];
    if (referred !== undefined) queue.push(referred);
    const strategies = property['x-kubernetes-patch-strategy']?.split(',') ?? [];
    const merge = { ...(strategies.includes('merge') ? { merge: property['x-kubernetes-patch-merge-key'] ?? '' } : {}), ...(strategies.includes('retainKeys') ? { retainKeys: true } : {}) };
    fields[field] = Object.keys(merge).length === 0 ? type : { type, ...merge };
  }
  table[name] = { fields, ...(definition.required === undefined ? {} : { required: definition.required }) };
}

for (const name of Object.keys(table)) {
  const short = name.slice(name.lastIndexOf('.') + 1);
  if ([...typeNames.values()].includes(short)) throw new Error(`two types would be called ${short}`);
  typeNames.set(name, short);
}
const own = new Set(['meta.v1.ObjectMeta', 'meta.v1.OwnerReference', 'meta.v1.ManagedFieldsEntry', 'meta.v1.LabelSelector', 'meta.v1.LabelSelectorRequirement']);
const interfaces = Object.keys(table).filter((name) => !own.has(name)).sort().map((name) => {
  const { fields, required = [] } = table[name] ?? { fields: {} };
  const literal = (field: string): string | undefined => {
    if (!ROOTS.includes(name) || name === 'meta.v1.DeleteOptions') return undefined;
    const [group = '', apiVersion = '', kind = ''] = name.split('.');
    const groups: Readonly<Record<string, string>> = { core: '', coordination: 'coordination.k8s.io/', discovery: 'discovery.k8s.io/' };
    if (field === 'apiVersion') return `'${groups[group] ?? `${group}/`}${apiVersion}'`;
    return field === 'kind' ? `'${kind}'` : undefined;
  };
  const lines = Object.entries(fields).map(([field, value]) => {
    const type = literal(field) ?? typeScript(typeof value === 'string' ? value : (value as { type: string }).type);
    const always = required.includes(field) || literal(field) !== undefined || (ROOTS.includes(name) && field === 'metadata');
    return `  readonly ${/^[a-zA-Z_]\w*$/.test(field) ? field : `'${field}'`}${always ? '' : '?'}: ${type}${always ? '' : ' | undefined'};`;
  });
  return `export interface ${typeNames.get(name)} {\n${lines.join('\n')}\n}`;
});
const header = `// Made by tools/distill-schema.ts from Kubernetes ${version}'s OpenAPI: every field of every kind served here. Do not edit.\n`;
writeFileSync(join(root, 'api/kinds/types.generated.ts'), `${header}\nimport type { LabelSelector, ObjectMeta } from '${META}';\n\n${interfaces.join('\n\n')}\n`);
const rows = Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, entry]) => `    ${JSON.stringify(name)}: ${JSON.stringify(entry)}`);
writeFileSync(join(root, 'api/schema/kubernetes.json'), `{\n  "version": ${JSON.stringify(version)},\n  "definitions": {\n${rows.join(',\n')}\n  }\n}\n`);
process.stdout.write(`${Object.keys(table).length} definitions of ${version}\n`);
