// Reads a component out of an OCI image layout directory (opencontainers/image-spec, image-layout.md): index → manifest → the wasm layer.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from './image.ts';

interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';

/** The digest and file of the component. ImageError ErrImagePull names what is missing. */
export async function findInLayout(folder: string, tag: string | undefined): Promise<{ readonly digest: string; readonly file: string }> {
  const { manifests = [] } = await readJson<{ manifests?: readonly Descriptor[] }>(join(folder, 'index.json'));
  const manifest = tag === undefined ? manifests[0] : manifests.find((entry) => entry.annotations?.[REF_NAME] === tag);
  if (manifest === undefined) {
    const tags = manifests.map((entry) => entry.annotations?.[REF_NAME]).filter((name) => name !== undefined);
    throw new ImageError('ErrImagePull', `the OCI layout ${folder} has no ${tag === undefined ? 'manifest' : `tag ${tag}`}; it has ${tags.length === 0 ? 'none' : tags.join(', ')}`);
  }
  const { layers = [] } = await readJson<{ layers?: readonly Descriptor[] }>(blobPath(folder, manifest.digest));
  const layer = layers.find((entry) => entry.mediaType?.includes('wasm') === true) ?? (layers.length === 1 ? layers[0] : undefined);
  if (layer === undefined) throw new ImageError('ErrImagePull', `the manifest ${manifest.digest} in ${folder} has no WebAssembly layer`);
  return { digest: layer.digest, file: blobPath(folder, layer.digest) };
}

function blobPath(folder: string, digest: string): string {
  const match = /^sha256:([0-9a-f]{64})$/.exec(digest);
  if (match === null) throw new ImageError('ErrImagePull', `${folder} names the digest ${JSON.stringify(digest)}, which is not sha256`);
  return join(folder, 'blobs', 'sha256', match[1] ?? '');
}

async function readJson<T>(path: string): Promise<T> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (cause) {
    throw new ImageError('ErrImagePull', `${path} cannot be read as JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
