// Pushed components, kept by digest: `sha256/<hex>` holds the bytes, `names/<name>/<tag>` the digest a tag stands for. A file appears under
// its final name only when all of it is on disk and its digest is known.

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Manifest {
  readonly digest: string;
  readonly size: number;
}

export type ArtifactErrorCode = 'BadName' | 'DigestMismatch' | 'TooLarge' | 'NotWasm';

export class ArtifactError extends Error {
  override readonly name = 'ArtifactError';
  readonly code: ArtifactErrorCode;
  constructor(code: ArtifactErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export interface ArtifactStore {
  /** `expected`: a digest the bytes must have. ArtifactError when they are not what they should be; nothing is kept then. */
  put(name: string, tag: string, bytes: AsyncIterable<Uint8Array>, expected: string | undefined): Promise<Manifest>;
  /** By tag or digest. */
  resolve(name: string, reference: string): Promise<Manifest | undefined>;
  read(digest: string): Promise<{ readonly size: number; readonly bytes: AsyncIterable<Uint8Array> } | undefined>;
}

const NAME = /^[a-z0-9]+([._-][a-z0-9]+)*(\/[a-z0-9]+([._-][a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** The largest component taken: JavaScript engines come near 15 MB, Python's near 25 MB. */
const MAX_BYTES = 256 * 1024 * 1024;
const WASM_MAGIC = Buffer.from([0, 0x61, 0x73, 0x6d]);

export function createArtifactStore(folder: string): ArtifactStore {
  const blob = (digest: string): string => join(folder, 'sha256', digest.slice('sha256:'.length));
  const tagFile = (name: string, tag: string): string => join(folder, 'names', name, tag);

  return {
    async put(name, tag, bytes, expected) {
      if (!NAME.test(name)) throw new ArtifactError('BadName', `${JSON.stringify(name)} is not a name: lower-case letters, digits, '.', '_', '-' and '/'`);
      if (!TAG.test(tag)) throw new ArtifactError('BadName', `${JSON.stringify(tag)} is not a tag: letters, digits, '.', '_' and '-'`);
      const partial = join(folder, `${randomUUID()}.partial`);
      await mkdir(join(folder, 'sha256'), { recursive: true });
      try {
        const { digest, size } = await receive(bytes, partial);
        if (expected !== undefined && expected !== digest) throw new ArtifactError('DigestMismatch', `the bytes have digest ${digest}, not ${expected}: they were changed or cut on the way`);
        await rename(partial, blob(digest));
        await writeDurably(tagFile(name, tag), digest);
        return { digest, size };
      } finally {
        await rm(partial, { force: true });
      }
    },
    async resolve(name, reference) {
      if (!NAME.test(name)) return undefined;
      const digest = DIGEST.test(reference) ? reference : TAG.test(reference) ? await orUndefined(readFile(tagFile(name, reference), 'utf8')) : undefined;
      if (digest === undefined) return undefined;
      const found = await orUndefined(stat(blob(digest)));
      return found === undefined ? undefined : { digest, size: found.size };
    },
    async read(digest) {
      if (!DIGEST.test(digest)) return undefined;
      const found = await orUndefined(stat(blob(digest)));
      return found === undefined ? undefined : { size: found.size, bytes: createReadStream(blob(digest)) };
    },
  };
}

async function receive(bytes: AsyncIterable<Uint8Array>, path: string): Promise<Manifest> {
  const hash = createHash('sha256');
  const file = await open(path, 'w', 0o644);
  let size = 0;
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new ArtifactError('TooLarge', `a component may have at most ${MAX_BYTES} bytes`);
      if (head.length < WASM_MAGIC.length) head = Buffer.concat([head, chunk.subarray(0, WASM_MAGIC.length)]);
      hash.update(chunk);
      await file.write(chunk);
    }
    if (!head.subarray(0, WASM_MAGIC.length).equals(WASM_MAGIC)) throw new ArtifactError('NotWasm', 'this is not a WebAssembly file: it does not begin with \\0asm');
    await file.sync();
  } finally {
    await file.close();
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

async function writeDurably(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${randomUUID()}.partial`;
  const file = await open(partial, 'w', 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
