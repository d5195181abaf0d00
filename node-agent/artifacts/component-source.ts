// Where components come from: finds the file an image means, knows its digest, compiles it once for this engine, and loads it once for all
// its replicas. Nothing is compiled whose bytes do not have the digest they should.

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isApiError } from '@copepod/api/errors';
import { expectOk, isTransportError, type Transport } from '@copepod/client/rest';
import { type Component, isRuntimeError, type Runtime } from '../runtime/index.ts';
import { ImageError, parseImage } from './image.ts';
import { findInLayout } from './oci-layout.ts';

export interface ComponentSourceOptions {
  readonly folder: string;
  readonly runtime: Runtime;
  /** Reaches the control plane's own store. */
  readonly transport: Transport;
  /** Whether `file://` and `oci://` images may be read from this machine. */
  readonly allowFileImages: boolean;
}

export interface Fetched {
  readonly component: Component;
  readonly digest: string;
}

export interface ComponentSource {
  /** ImageError, or RuntimeError when what was found cannot run. */
  fetch(image: string): Promise<Fetched>;
}

interface Found {
  readonly file: string;
  readonly digest: string;
}

export function createComponentSource(options: ComponentSourceOptions): ComponentSource {
  const { runtime, transport } = options;
  const components = join(options.folder, 'components', 'sha256');
  const compiled = join(options.folder, 'compiled', runtime.engine.compatibility);
  const loaded = new Map<string, Promise<Component>>();
  const hashes = new Map<string, { readonly mark: string; readonly digest: string }>();
  /** Compiling takes all the machine has: one after the other. */
  let turn: Promise<unknown> = Promise.resolve();

  async function find(image: string): Promise<Found> {
    const parsed = parseImage(image);
    if (parsed.is === 'name') return pull(parsed.name, parsed.reference);
    if (!options.allowFileImages) throw new ImageError('ErrImageNeverPull', `this node does not read images from its own disk (${image}): push the component with "copepod deploy", or start the agent with --allow-file-images`);
    if (parsed.is === 'file') return { file: parsed.path, digest: await hashOf(parsed.path) };
    const found = await findInLayout(parsed.path, parsed.tag);
    const actual = await hashOf(found.file);
    if (actual !== found.digest) throw new ImageError('ErrImagePull', `wrong digest: ${found.file} has ${actual}, and its manifest says ${found.digest}`);
    return found;
  }

  async function pull(name: string, reference: string): Promise<Found> {
    const root = `/copepod/v1/artifacts`;
    try {
      const { digest } = expectOk(await transport.request({ method: 'GET', path: `${root}/${name}/manifests/${reference}` })) as { digest: string };
      const file = join(components, digest.slice('sha256:'.length));
      if (await exists(file)) return { file, digest };
      await mkdir(components, { recursive: true });
      const partial = `${file}.${randomUUID()}.partial`;
      try {
        const actual = await save(transport.stream({ method: 'GET', path: `${root}/blobs/${digest}`, accept: '*/*' }), partial);
        if (actual !== digest) throw new ImageError('ErrImagePull', `wrong digest: ${name}:${reference} came with ${actual}, and ${digest} was asked for`);
        await rename(partial, file);
      } finally {
        await rm(partial, { force: true });
      }
      return { file, digest };
    } catch (error) {
      if (isApiError(error)) throw new ImageError('ErrImagePull', `cannot pull ${name}:${reference}: ${error.message}`, { cause: error });
      if (isTransportError(error)) throw new ImageError('ErrImagePull', `cannot pull ${name}:${reference}: ${error.message}`, { cause: error });
      throw error;
    }
  }

  /** Of a file that may change between two starts: hashed again when its size or time did. */
  async function hashOf(file: string): Promise<string> {
    let mark: string;
    try {
      const { size, mtimeMs, ino } = await stat(file);
      mark = `${size}/${mtimeMs}/${ino}`;
    } catch (cause) {
      throw new ImageError('ErrImagePull', `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    const known = hashes.get(file);
    if (known?.mark === mark) return known.digest;
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
    const digest = `sha256:${hash.digest('hex')}`;
    hashes.set(file, { mark, digest });
    return digest;
  }

  async function load({ file, digest }: Found): Promise<Component> {
    const target = join(compiled, `${digest.slice('sha256:'.length)}.cwasm`);
    if (await exists(target)) {
      try {
        return await runtime.load(target);
      } catch (error) {
        // Torn or of another engine: compiled anew below.
        if (!isRuntimeError(error) || error.code !== 'IncompatibleArtifact') throw error;
      }
    }
    await mkdir(compiled, { recursive: true });
    const compiling = turn.then(async () => runtime.compile(file, target));
    turn = compiling.catch(() => {});
    await compiling;
    return runtime.load(target);
  }

  return {
    async fetch(image) {
      const found = await find(image);
      let component = loaded.get(found.digest);
      if (component === undefined) {
        component = load(found);
        loaded.set(found.digest, component);
        component.catch(() => loaded.delete(found.digest));
      }
      return { component: await component, digest: found.digest };
    },
  };
}

async function save(bytes: AsyncIterable<Uint8Array>, path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'w', 0o644);
  try {
    for await (const chunk of bytes) {
      hash.update(chunk);
      await file.write(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return `sha256:${hash.digest('hex')}`;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
