// What a command works with: where the cluster is, and where words go. Made once by main.ts; commands never look at the environment.

import type { Clock } from '@copepod/client/clock';
import { createFailoverTransport, createHttpsTransport, loadKubeconfig, type Transport } from '@copepod/client/rest';

export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly clock: Clock;
  /** Of the user, e.g. KUBECONFIG. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly dataDir: string;
  readonly hostName: string;
  /** Aborted at the first Ctrl-C. */
  readonly interrupted: AbortSignal;
}

export interface ConnectionOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

export interface Connection {
  readonly transport: Transport;
  readonly namespace: string;
}

/** Runs a command against the cluster the user means; the connection is closed afterwards. */
export async function connected(io: Io, options: ConnectionOptions, work: (connection: Connection) => Promise<void>): Promise<void> {
  const path = options.kubeconfig ?? io.env['KUBECONFIG']?.split(':').find((entry) => entry !== '') ?? `${io.dataDir}/kubeconfig`;
  const { server, others, ca, cert, key, token, tlsServerName, insecureSkipTlsVerify, namespace } = await loadKubeconfig(path, options.context);
  const transport = createFailoverTransport([server, ...others].map((url) => createHttpsTransport({ server: url, ca, cert, key, token, tlsServerName, insecureSkipTlsVerify, userAgent: 'copepod-cli' })));
  try {
    await work({ transport, namespace: options.namespace ?? namespace });
  } finally {
    await transport.close();
  }
}
