// The kubeconfig a cluster writes: kubectl, Helm and our own CLI take it as it is. Kubernetes' format knows one server a cluster: the
// others stand in an extension, which our own clients read, and each in a context of its own for those that do not.

import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

/** Name of the extension: `{"servers": [URL, …]}`, those to try when the cluster's own does not answer. */
const SERVERS = 'copepod.dev/servers';

/** `others`: further servers of the same cluster. */
export function renderKubeconfig(server: string, ca: string, identity: KeyPair, others: readonly string[] = []): string {
  const data = (text: string): string => Buffer.from(text).toString('base64');
  const cluster = (url: string): object => ({ server: url, 'certificate-authority-data': data(ca) });
  const extensions = others.length === 0 ? {} : { extensions: [{ name: SERVERS, extension: { servers: others } }] };
  const named = others.map((url, index) => ({ name: `copepod-${index + 2}`, url }));
  return stringify({
    apiVersion: 'v1', kind: 'Config', 'current-context': 'copepod',
    clusters: [{ name: 'copepod', cluster: { ...cluster(server), ...extensions } }, ...named.map(({ name, url }) => ({ name, cluster: cluster(url) }))],
    users: [{ name: 'copepod-admin', user: { 'client-certificate-data': data(identity.cert), 'client-key-data': data(identity.key) } }],
    contexts: ['copepod', ...named.map(({ name }) => name)].map((name) => ({ name, context: { cluster: name, user: 'copepod-admin' } })),
  }, { lineWidth: 0 });
}
