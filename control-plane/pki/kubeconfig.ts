// The kubeconfig a cluster writes: kubectl, Helm and our own CLI take it as it is.

import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

export function renderKubeconfig(server: string, ca: string, identity: KeyPair): string {
  const data = (text: string): string => Buffer.from(text).toString('base64');
  return stringify({
    apiVersion: 'v1', kind: 'Config', 'current-context': 'copepod',
    clusters: [{ name: 'copepod', cluster: { server, 'certificate-authority-data': data(ca) } }],
    users: [{ name: 'copepod-admin', user: { 'client-certificate-data': data(identity.cert), 'client-key-data': data(identity.key) } }],
    contexts: [{ name: 'copepod', context: { cluster: 'copepod', user: 'copepod-admin' } }],
  }, { lineWidth: 0 });
}
