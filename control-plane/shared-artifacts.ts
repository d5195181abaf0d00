// Pushed components where several servers share a store: which digest a tag stands for is in the store, so that all say the same; the
// bytes are on each server's disk, sent to the others at the push and fetched from them when they are missing here.

import { createHttpsTransport, type Transport } from '@copepod/client/rest';
import type { ArtifactStore, Manifest } from './artifacts/index.ts';
import type { KeyPair } from './pki/index.ts';
import { isStorageError, type Storage } from './storage/index.ts';

export interface SharedArtifactsOptions {
  readonly local: ArtifactStore;
  readonly storage: Storage;
  /** URLs of the other servers that are there now. */
  readonly others: () => readonly string[];
  /** With which this server asks them. */
  readonly identity: KeyPair;
  readonly ca: string;
  readonly onError: (error: unknown, server: string) => void;
}

const ROOT = '/copepod/v1/artifacts';
const TAGS = '/artifacts/';
/** Says that a request is of another server: what is asked for is what is on this disk. */
export const REPLICA = 'replica';
/** The name under which a copy is kept. */
const COPIES = 'replicas';
const ATTEMPTS = 8;

const isDigest = (reference: string): boolean => reference.startsWith('sha256:');

export function createSharedArtifacts(options: SharedArtifactsOptions): ArtifactStore {
  const { local, storage } = options;
  const fetching = new Map<string, Promise<void>>();

  async function withOther<T>(url: string, work: (transport: Transport) => Promise<T>): Promise<T | undefined> {
    const transport = createHttpsTransport({ server: url, ca: options.ca, ...options.identity, userAgent: 'copepod-server' });
    try {
      return await work(transport);
    } catch (error) {
      options.onError(error, url);
      return undefined;
    } finally {
      await transport.close();
    }
  }

  /** Best effort: a server that is away fetches them when it is asked. */
  async function send({ digest }: Manifest): Promise<void> {
    const others = options.others();
    if (others.length === 0) return;
    const found = await local.read(digest);
    if (found === undefined) return;
    const chunks: Uint8Array[] = [];
    for await (const chunk of found.bytes) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const path = `${ROOT}/${COPIES}/${digest.slice('sha256:'.length)}`;
    await Promise.all(others.map((url) => withOther(url, (transport) => transport.request({ method: 'PUT', path, query: { digest, [REPLICA]: 'true' }, body, contentType: 'application/wasm' }))));
  }

  async function fetchFrom(url: string, digest: string): Promise<boolean> {
    const kept = await withOther(url, (transport) => {
      const bytes = transport.stream({ method: 'GET', path: `${ROOT}/blobs/${digest}`, query: { [REPLICA]: 'true' }, accept: '*/*' });
      return local.put(COPIES, digest.slice('sha256:'.length), bytes, digest);
    });
    return kept !== undefined;
  }

  /** Of those who ask for the same at once one fetches it. */
  async function fetchMissing(digest: string): Promise<void> {
    const running = fetching.get(digest) ?? (async () => {
      for (const url of options.others()) if (await fetchFrom(url, digest)) return;
    })().finally(() => fetching.delete(digest));
    fetching.set(digest, running);
    await running;
  }

  async function tag(name: string, reference: string, manifest: Manifest): Promise<void> {
    const key = `${TAGS}${name}:${reference}`;
    for (let attempt = 0; ; attempt += 1) {
      const known = await storage.get(key);
      try {
        await storage.commit([{ type: 'put', key, value: Buffer.from(JSON.stringify(manifest)), expect: known?.modRevision ?? 0 }]);
        return;
      } catch (error) {
        if (!isStorageError(error, 'Conflict') || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  return {
    async put(name, reference, bytes, expected) {
      const manifest = await local.put(name, reference, bytes, expected);
      await send(manifest);
      await tag(name, reference, manifest);
      return manifest;
    },
    async resolve(name, reference) {
      if (!isDigest(reference)) {
        const known = await storage.get(`${TAGS}${name}:${reference}`);
        // One that was pushed before the servers shared a store is in a file.
        return known === undefined ? local.resolve(name, reference) : JSON.parse(Buffer.from(known.value).toString('utf8')) as Manifest;
      }
      const here = await local.resolve(name, reference);
      if (here !== undefined) return here;
      await fetchMissing(reference);
      return local.resolve(name, reference);
    },
    async read(digest) {
      const here = await local.read(digest);
      if (here !== undefined || !isDigest(digest)) return here;
      await fetchMissing(digest);
      return local.read(digest);
    },
  };
}
