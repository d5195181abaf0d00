// Where components come from: finds the file an image means, knows its digest, compiles it once for this engine, and loads it once for all
// its replicas. Nothing is compiled whose bytes do not have the digest they should. What was fetched and compiled is kept up to a bound.

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isApiError } from '@copepod/api/errors';
import { expectOk, isTransportError, type Transport } from '@copepod/client/rest';
import { type Component, isRuntimeError, type Runtime } from '../runtime/index.ts';
import { touch, trim } from './file-cache.ts';
import { ImageError, parseImage } from './image.ts';
import { findInLayout } from './oci-layout.ts';

export interface ComponentSourceOptions {
  readonly folder: string;
  readonly runtime: Runtime;
  /** Reaches the control plane's own store. */
  readonly transport: Transport;
  /** Whether `file://` and `oci://` images may be read from this machine. */
  readonly allowFileImages: boolean;
  /** Bytes of fetched and of compiled components, each, that are kept when no pod uses them. */
  readonly cacheBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Fetched {
  readonly component: Component;
  readonly digest: string;
  /** Called once, when the caller uses it no more. */
  readonly release: () => void;
}

/** Hears what is being done with a component that must be compiled first. */
export type OnProgress = (step: string) => void;

export interface ComponentSource {
  /** ImageError, or RuntimeError when what was found cannot run. */
  fetch(image: string, onProgress: OnProgress): Promise<Fetched>;
}

/** One digest, in use. */
interface Loading {
  readonly component: Promise<Component>;
  readonly listeners: Set<OnProgress>;
  step: string | undefined;
  users: number;
}

interface Found {
  readonly file: string;
  readonly digest: string;
}

export function createComponentSource(options: ComponentSourceOptions): ComponentSource {
  const { runtime, transport, now } = options;
  const components = join(options.folder, 'components', 'sha256');
  const compiled = join(options.folder, 'compiled', runtime.engine.compatibility);
  const loaded = new Map<string, Loading>();
  const hashes = new Map<string, { readonly mark: string; readonly digest: string }>();

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
      const file = join(components, hexOf(digest));
      if (await touch(file, now())) return { file, digest };
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

  async function load({ file, digest }: Found, onProgress: OnProgress): Promise<Component> {
    const target = join(compiled, `${hexOf(digest)}.cwasm`);
    if (await touch(target, now())) {
      try {
        return await runtime.load(target);
      } catch (error) {
        // Torn, changed or of another engine: compiled anew below.
        if (!isRuntimeError(error) || error.code !== 'IncompatibleArtifact') throw error;
      }
    }
    await mkdir(compiled, { recursive: true });
    await runtime.compile(file, target, onProgress);
    const component = await runtime.load(target);
    const used = new Set([...loaded.keys()].map(hexOf));
    for (const folder of [components, join(options.folder, 'compiled')]) await trim(folder, { maxBytes: options.cacheBytes, now: now(), inUse: (name) => used.has(name.replace(/\.cwasm$/, '')) });
    return component;
  }

  function begin(found: Found): Loading {
    const listeners = new Set<OnProgress>();
    const loading: Loading = {
      listeners, step: undefined, users: 0,
      component: load(found, (step) => {
        loading.step = step;
        for (const listener of listeners) listener(step);
      }),
    };
    loaded.set(found.digest, loading);
    return loading;
  }

  return {
    async fetch(image, onProgress) {
      const found = await find(image);
      const loading = loaded.get(found.digest) ?? begin(found);
      const release = (): void => {
        loading.users -= 1;
        if (loading.users === 0 && loaded.get(found.digest) === loading) loaded.delete(found.digest);
      };
      loading.users += 1;
      loading.listeners.add(onProgress);
      if (loading.step !== undefined) onProgress(loading.step);
      try {
        return { component: await loading.component, digest: found.digest, release };
      } catch (error) {
        release();
        throw error;
      } finally {
        loading.listeners.delete(onProgress);
      }
    },
  };
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
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
