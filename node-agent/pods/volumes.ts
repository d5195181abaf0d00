// Volumes as directories of this node, made when a container is started. An emptyDir lives as long as its pod; files of ConfigMaps and Secrets are written
// anew for each start, so a guest sees those it was started with until it is started again.

import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Container, KeyToPath, Pod, Volume } from '@copepod/api/kinds';
import type { Mount } from '../runtime/index.ts';
import { ConfigError } from './config-error.ts';
import type { KeptData, KeptKind } from './kept-data.ts';

export interface VolumeSettings {
  /** Of this pod alone. */
  readonly folder: string;
  readonly kept: KeptData;
  /** Whether directories of this machine may be mounted. */
  readonly allowHostPaths: boolean;
}

interface Prepared {
  readonly host: string;
  readonly mayWrite: boolean;
}

/** What the container mounts. ConfigError names what is not there or not allowed. */
export async function prepareVolumes(pod: Pod, container: Container, settings: VolumeSettings): Promise<readonly Mount[]> {
  const prepared = new Map<string, Prepared>();
  const mounts: Mount[] = [];
  for (const { name, mountPath, readOnly } of container.volumeMounts ?? []) {
    const volume = pod.spec?.volumes?.find((candidate) => candidate.name === name);
    if (volume === undefined) throw new ConfigError(`the pod has no volume "${name}"`);
    const { host, mayWrite } = prepared.get(name) ?? await prepare(volume, settings);
    prepared.set(name, { host, mayWrite });
    mounts.push({ host, guest: mountPath, writable: mayWrite && readOnly !== true });
  }
  return mounts;
}

async function prepare(volume: Volume, settings: VolumeSettings): Promise<Prepared> {
  const folder = join(settings.folder, volume.name);
  const { configMap, emptyDir, hostPath, secret } = volume;
  if (emptyDir !== undefined) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return { host: folder, mayWrite: true };
  }
  if (hostPath !== undefined) return { host: await openHostPath(hostPath.path, hostPath.type, settings.allowHostPaths), mayWrite: true };
  if (configMap !== undefined) await lay(folder, await filesOf('ConfigMap', configMap.name ?? '', configMap, settings.kept), 0o644);
  else if (secret !== undefined) await lay(folder, await filesOf('Secret', secret.secretName ?? '', secret, settings.kept), 0o600);
  else throw new ConfigError(`the volume "${volume.name}" is of a type this node does not have`);
  return { host: folder, mayWrite: false };
}

async function openHostPath(path: string, type: string | undefined, allowed: boolean): Promise<string> {
  if (!allowed) throw new ConfigError(`this node does not let pods mount its own directories (hostPath ${path}): use another volume, or start the agent with --allow-host-paths`);
  try {
    if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true });
    if ((await stat(path)).isDirectory()) return path;
  } catch (cause) {
    throw new ConfigError(`hostPath ${path} cannot be mounted: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  throw new ConfigError(`hostPath ${path} is no directory of this node`);
}

interface Selection {
  readonly items?: readonly KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
}

/** Path below the volume → its bytes. */
async function filesOf(kind: KeptKind, name: string, { items, optional }: Selection, kept: KeptData): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = await kept.bytes(kind, name);
  if (found === undefined && optional !== true) throw new ConfigError(`${kind} "${name}" not found`);
  const files = new Map<string, Uint8Array>();
  for (const { key, path } of items ?? [...found?.keys() ?? []].map((key) => ({ key, path: key }))) {
    const bytes = found?.get(key);
    // A key may be called so, a file may not.
    if (path.split('/').some((part) => part === '.' || part === '..')) throw new ConfigError(`the key ${key} of ${kind} "${name}" cannot be a file`);
    if (bytes !== undefined) files.set(path, bytes);
    else if (optional !== true) throw new ConfigError(`${kind} "${name}" has no key "${key}"`);
  }
  return files;
}

/** Written beside its place and renamed into it: what was there before is there whole until it is gone. */
async function lay(folder: string, files: ReadonlyMap<string, Uint8Array>, mode: number): Promise<void> {
  const fresh = `${folder}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  for (const [path, bytes] of files) {
    const target = join(fresh, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, bytes, { mode });
  }
  await rm(folder, { recursive: true, force: true });
  await rename(fresh, folder);
}
