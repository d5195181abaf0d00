// What clients ask before they ask for anything: versions, groups, resources.

import { type AnyKind, KINDS } from '@copepod/api/kinds';
import { SCHEMA_VERSION } from '@copepod/api/schema';
import { splitApiVersion } from '@copepod/api/meta';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const SUBRESOURCE_VERBS: Readonly<Record<string, readonly string[]>> = {
  status: ['get', 'patch', 'update'], scale: ['get', 'patch', 'update'], binding: ['create'], log: ['get'], finalize: ['update'],
};

const apiVersions = [...new Set(KINDS.map((kind) => kind.apiVersion))];
const groups = apiVersions.map(splitApiVersion).filter(({ group }) => group !== '');

/** `release`: of Copepod, e.g. `0.1.0`. The version clients compare with is that of the Kubernetes API spoken. */
export function versionInfo(release: string): object {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(SCHEMA_VERSION) ?? [];
  return { major, minor, gitVersion: `${SCHEMA_VERSION}+copepod-${release}`, gitCommit: '', gitTreeState: '', buildDate: '', goVersion: '', compiler: '', platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}` };
}

export function coreVersions(): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
}

export function groupList(): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(({ group, version }) => groupOf(group, version)) };
}

/** Undefined for a group that is not served. */
export function groupInfo(group: string): object | undefined {
  const found = groups.find((known) => known.group === group);
  return found === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(found.group, found.version) };
}

function groupOf(group: string, version: string): object {
  const entry = { groupVersion: `${group}/${version}`, version };
  return { name: group, versions: [entry], preferredVersion: entry };
}

/** Undefined for a version that is not served. */
export function resourceList(apiVersion: string): object | undefined {
  if (!apiVersions.includes(apiVersion)) return undefined;
  const resources = KINDS.filter((kind) => kind.apiVersion === apiVersion).flatMap((kind) => [resourceOf(kind), ...kind.subresources.map((name) => subresourceOf(kind, name))]);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersion, resources };
}

function resourceOf(kind: AnyKind): object {
  return {
    name: kind.plural, singularName: kind.singular, namespaced: kind.namespaced, kind: kind.kind, verbs: VERBS,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
  };
}

function subresourceOf(kind: AnyKind, name: string): object {
  const base = { name: `${kind.plural}/${name}`, singularName: '', namespaced: kind.namespaced, verbs: SUBRESOURCE_VERBS[name] ?? [] };
  if (name === 'scale') return { ...base, group: 'autoscaling', version: 'v1', kind: 'Scale' };
  return { ...base, kind: name === 'binding' ? 'Binding' : kind.kind };
}
