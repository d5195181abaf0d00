// ConfigMaps and Secrets a container is made of, each read once for a start, so that its environment and its files are of the same moment.

import { CONFIG_MAP, type ConfigMap, SECRET, type Secret } from '@copepod/api/kinds';
import { resourceClient, type Transport } from '@copepod/client/rest';

export type KeptKind = 'ConfigMap' | 'Secret';

export interface KeptData {
  /** Its text by key; undefined when there is no such object. */
  text(kind: KeptKind, name: string): Promise<Readonly<Record<string, string>> | undefined>;
  /** All it holds, as bytes; undefined when there is no such object. */
  bytes(kind: KeptKind, name: string): Promise<ReadonlyMap<string, Uint8Array> | undefined>;
}

interface Kept {
  readonly text: Readonly<Record<string, string>>;
  readonly bytes: ReadonlyMap<string, Uint8Array>;
}

/** Of one namespace, for one start. */
export function readKeptData(transport: Transport, namespace: string | undefined): KeptData {
  const seen = new Map<string, Promise<Kept | undefined>>();
  const find = (kind: KeptKind, name: string): Promise<Kept | undefined> => {
    const key = `${kind}/${name}`;
    const known = seen.get(key) ?? (kind === 'ConfigMap'
      ? resourceClient(transport, CONFIG_MAP).find({ namespace, name }).then((map) => map && ofConfigMap(map))
      : resourceClient(transport, SECRET).find({ namespace, name }).then((secret) => secret && ofSecret(secret)));
    seen.set(key, known);
    return known;
  };
  return {
    text: async (kind, name) => (await find(kind, name))?.text,
    bytes: async (kind, name) => (await find(kind, name))?.bytes,
  };
}

function ofConfigMap({ data = {}, binaryData = {} }: ConfigMap): Kept {
  const written = Object.entries(data).map(([key, text]) => [key, Buffer.from(text)] as const);
  return { text: data, bytes: new Map([...written, ...decoded(binaryData)]) };
}

function ofSecret({ data = {} }: Secret): Kept {
  const bytes = decoded(data);
  return { text: Object.fromEntries(bytes.map(([key, value]) => [key, value.toString('utf8')])), bytes: new Map(bytes) };
}

function decoded(data: Readonly<Record<string, string>>): readonly (readonly [string, Buffer])[] {
  return Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64')]);
}
