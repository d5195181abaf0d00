// Reads a kubeconfig: which server, whom to trust, who I am. The caller says which file; nothing is guessed from the environment.

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isRecord } from '@copepod/api/meta';
import { parse, YAMLParseError } from 'yaml';

export interface Kubeconfig {
  /** `https://host:port`, without a trailing slash. */
  readonly server: string;
  /** Further servers of the same cluster, to try when that one does not answer. */
  readonly others: readonly string[];
  readonly context: string;
  readonly namespace: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
  readonly tlsServerName?: string;
  readonly insecureSkipTlsVerify: boolean;
}

export type KubeconfigErrorCode = 'Missing' | 'Unreadable' | 'NotYaml' | 'Invalid';

/** `message` says what, where and how to mend. */
export class KubeconfigError extends Error {
  override readonly name = 'KubeconfigError';
  readonly code: KubeconfigErrorCode;
  readonly path: string;
  constructor(code: KubeconfigErrorCode, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

export function isKubeconfigError(value: unknown, code?: KubeconfigErrorCode): value is KubeconfigError {
  return value instanceof KubeconfigError && (code === undefined || value.code === code);
}

/** Reads the file and the files it names (relative to it). `context` overrides `current-context`. */
export async function loadKubeconfig(path: string, context?: string): Promise<Kubeconfig> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isRecord(error) || error instanceof Error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT') {
        throw new KubeconfigError('Missing', path, `no kubeconfig at ${path}: start a cluster with "copepod up", or name another file with --kubeconfig`, { cause: error });
      }
    }
    throw new KubeconfigError('Unreadable', path, `cannot read the kubeconfig ${path}: ${reasonOf(error)}`, { cause: error });
  }
  return parseKubeconfig(text, path, context);
}

/** `path` is for messages and for files named relatively. */
export async function parseKubeconfig(text: string, path: string, context?: string): Promise<Kubeconfig> {
  const root = parseYaml(text, path);
  const fail = (message: string): never => {
    throw new KubeconfigError('Invalid', path, `${path}: ${message}`);
  };
  const current = context ?? stringOf(root['current-context']) ?? '';
  if (current === '') fail('no "current-context" is set: set one, or name a context');
  const contextEntry = entryOf(root, 'contexts', 'context', current) ?? fail(`context "${current}" is not among its contexts (${namesOf(root, 'contexts')})`);
  const clusterName = stringOf(contextEntry['cluster']) ?? fail(`context "${current}" names no cluster`);
  const cluster = entryOf(root, 'clusters', 'cluster', clusterName) ?? fail(`cluster "${clusterName}" of context "${current}" is not among its clusters (${namesOf(root, 'clusters')})`);
  const server = stringOf(cluster['server']) ?? fail(`cluster "${clusterName}" has no "server"`);
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) fail(`cluster "${clusterName}": server "${server}" is not an http(s) URL`);
  const userName = stringOf(contextEntry['user']) ?? '';
  const user = userName === '' ? {} : entryOf(root, 'users', 'user', userName) ?? fail(`user "${userName}" of context "${current}" is not among its users (${namesOf(root, 'users')})`);
  if (user['exec'] !== undefined || user['auth-provider'] !== undefined) {
    fail(`user "${userName}" gets its credentials from a plugin, which is not supported: use a client certificate or a token`);
  }

  const material = async (entry: Record<string, unknown>, name: string): Promise<string | undefined> => {
    const data = stringOf(entry[`${name}-data`]);
    if (data !== undefined) return decode(data, `${name}-data`, path);
    const file = stringOf(entry[name]);
    if (file === undefined) return undefined;
    const absolute = resolve(dirname(path), file);
    try {
      return await readFile(absolute, 'utf8');
    } catch (error) {
      throw new KubeconfigError('Unreadable', path, `${path}: "${name}" names ${absolute}, which cannot be read: ${reasonOf(error)}`, { cause: error });
    }
  };
  const tokenFile = stringOf(user['tokenFile']);
  const ca = await material(cluster, 'certificate-authority');
  const cert = await material(user, 'client-certificate');
  const key = await material(user, 'client-key');
  if ((cert === undefined) !== (key === undefined)) {
    fail(`user "${userName}" has a client ${cert === undefined ? 'key without a certificate' : 'certificate without a key'}`);
  }
  const token = stringOf(user['token']) ?? (tokenFile === undefined ? undefined : (await material({ tokenFile }, 'tokenFile'))?.trim());
  const optional = {
    ca, cert, key, token,
    username: stringOf(user['username']),
    password: stringOf(user['password']),
    tlsServerName: stringOf(cluster['tls-server-name']),
  };
  return {
    server: server.replace(/\/+$/, ''),
    others: othersOf(cluster, (message) => fail(`cluster "${clusterName}": ${message}`)),
    context: current,
    namespace: stringOf(contextEntry['namespace']) ?? 'default',
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'] === true,
    ...withoutUndefined(optional),
  };
}

/** Name of the extension that lists them: `{servers: [URL, …]}`. */
const SERVERS = 'copepod.dev/servers';

function othersOf(cluster: Record<string, unknown>, fail: (message: string) => never): readonly string[] {
  const extensions = Array.isArray(cluster['extensions']) ? cluster['extensions'].filter(isRecord) : [];
  const extension = extensions.find((candidate) => candidate['name'] === SERVERS)?.['extension'];
  const servers = isRecord(extension) ? extension['servers'] : [];
  if (!Array.isArray(servers)) return fail(`the extension ${SERVERS} has no list "servers"`);
  return servers.map((url) => (typeof url === 'string' && URL.canParse(url) ? url.replace(/\/+$/, '') : fail(`the extension ${SERVERS} names ${JSON.stringify(url)}, which is not a URL`)));
}

function parseYaml(text: string, path: string): Record<string, unknown> {
  let root: unknown;
  try {
    root = parse(text);
  } catch (error) {
    const where = error instanceof YAMLParseError && error.linePos !== undefined ? `line ${error.linePos[0].line}: ` : '';
    throw new KubeconfigError('NotYaml', path, `${path} is not YAML: ${where}${reasonOf(error)}`, { cause: error });
  }
  if (!isRecord(root)) throw new KubeconfigError('Invalid', path, `${path} is not a kubeconfig: it is ${root === null ? 'empty' : 'not a mapping'}`);
  if (root['kind'] !== undefined && root['kind'] !== 'Config') {
    throw new KubeconfigError('Invalid', path, `${path} is not a kubeconfig: its kind is ${JSON.stringify(root['kind'])}, not "Config"`);
  }
  return root;
}

function entryOf(root: Record<string, unknown>, list: string, field: string, name: string): Record<string, unknown> | undefined {
  const entries = root[list];
  if (!Array.isArray(entries)) return undefined;
  const entry: unknown = entries.find((candidate) => isRecord(candidate) && candidate['name'] === name);
  if (!isRecord(entry)) return undefined;
  const value = entry[field];
  return isRecord(value) ? value : {};
}

function namesOf(root: Record<string, unknown>, list: string): string {
  const entries = root[list];
  const names = Array.isArray(entries) ? entries.filter(isRecord).map((entry) => String(entry['name'])) : [];
  return names.length === 0 ? 'it has none' : names.join(', ');
}

function decode(data: string, field: string, path: string): string {
  const text = Buffer.from(data, 'base64').toString('utf8');
  if (!text.includes('-----BEGIN ')) {
    throw new KubeconfigError('Invalid', path, `${path}: "${field}" is not base64 of a PEM file`);
  }
  return text;
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
