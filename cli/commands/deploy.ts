// copepod deploy FILE.wasm: push the component, run it, and say where it answers.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { DEPLOYMENT, findKind, NODE, SERVICE } from '@copepod/api/kinds';
import { dnsLabelProblem, type KubeObject } from '@copepod/api/meta';
import { expectOk, resourceClient, type Transport } from '@copepod/client/rest';
import { applyObject } from '../apply.ts';
import { connected, type Io } from '../context.ts';
import { Failure, usage } from '../failure.ts';
import { waitForRollout } from '../rollout.ts';
import { type CliCommand, clusterFlags, type ClusterOptions, examples } from './command.ts';

interface DeployOptions extends ClusterOptions {
  readonly name?: string;
  readonly tag: string;
  readonly replicas: string;
  readonly port: string;
  readonly memory?: string;
  readonly wait: boolean;
  readonly pushOnly?: boolean;
}

const GATEWAY = 'copepod.dev/gateway-address';
const ROLLOUT_MS = 120_000;

export const deploy: CliCommand = {
  register(program, io) {
    const command = clusterFlags(program.command('deploy <file>').description('Push a component to the cluster and run it behind a Service'))
      .option('--name <name>', 'of the deployment and service (default: the file\'s)')
      .option('--tag <tag>', 'under which it is kept', 'latest')
      .option('--replicas <count>', 'how many', '1')
      .option('--port <port>', 'of the service', '8081')
      .option('--memory <quantity>', 'limit of one instance, e.g. 64Mi')
      .option('--push-only', 'keep it in the cluster\'s store and run nothing')
      .option('--no-wait', 'do not wait until it answers')
      .action(async (file: string, options: DeployOptions) => connected(io, options, ({ transport, namespace }) => run(io, transport, namespace, file, options)));
    examples(command, ['copepod deploy hello.wasm', 'copepod deploy build/web.wasm --name web --replicas 3', 'copepod deploy job.wasm --push-only']);
  },
};

async function run(io: Io, transport: Transport, namespace: string, file: string, options: DeployOptions): Promise<void> {
  const name = options.name ?? basename(file).replace(/\.wasm$/, '').toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-').replaceAll(/^-+|-+$/g, '');
  const problem = dnsLabelProblem(name);
  if (problem !== undefined) throw usage(`"${name}" cannot be a name: ${problem}`, 'give one with --name');
  const [replicas, port] = [Number(options.replicas), Number(options.port)];
  if (!Number.isSafeInteger(replicas) || replicas < 0) throw usage(`--replicas ${options.replicas} is not a whole number of at least 0`);
  if (!Number.isSafeInteger(port) || port < 1 || port > 65535) throw usage(`--port ${options.port} is not a port`);
  const digest = await push(transport, file, name, options.tag);
  io.out(`pushed ${name}:${options.tag} (${digest})\n`);
  if (options.pushOnly === true) return;
  for (const object of manifests({ name, namespace, image: `${name}@${digest}`, replicas, port, memory: options.memory })) {
    const kind = findKind(object.apiVersion, object.kind);
    if (kind !== undefined) io.out(`${kind.singular}/${name} ${await applyObject(transport, kind, object)}\n`);
  }
  if (!options.wait) return;
  const late = new AbortController();
  const cancel = io.clock.after(ROLLOUT_MS, () => late.abort());
  await waitForRollout({ transport, namespace, name, signal: AbortSignal.any([io.interrupted, late.signal]), say: () => {} }).finally(cancel);
  const url = await gatewayUrl(transport, namespace, name);
  io.out(url === undefined ? `${name} is running; no node of the cluster has a gateway\n` : `${name} answers at ${url}\n`);
}

async function push(transport: Transport, file: string, name: string, tag: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new Failure(`cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (bytes.length < 8 || bytes.readUInt32BE(0) !== 0x0061736d) throw new Failure(`${file} is not a WebAssembly file`, { hint: 'name the .wasm your build made' });
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  expectOk(await transport.request({ method: 'PUT', path: `/copepod/v1/artifacts/${name}/${tag}`, query: { digest }, body: bytes, contentType: 'application/wasm' }));
  return digest;
}

interface Wanted {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly replicas: number;
  readonly port: number;
  readonly memory: string | undefined;
}

function manifests({ name, namespace, image, replicas, port, memory }: Wanted): readonly KubeObject[] {
  const labels = { app: name };
  return [
    {
      apiVersion: DEPLOYMENT.apiVersion, kind: DEPLOYMENT.kind, metadata: { name, namespace, labels },
      spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name, image, ...(memory === undefined ? {} : { resources: { limits: { memory } } }) }] } } },
    },
    { apiVersion: SERVICE.apiVersion, kind: SERVICE.kind, metadata: { name, namespace, labels }, spec: { selector: labels, ports: [{ port }] } },
  ];
}

async function gatewayUrl(transport: Transport, namespace: string, name: string): Promise<string | undefined> {
  const nodes = (await resourceClient(transport, NODE).list()).items;
  const port = nodes.map((node) => node.metadata.annotations?.[GATEWAY]).find((address) => address !== undefined)?.split(':').at(-1);
  return port === undefined ? undefined : `http://${name}.${namespace}.localhost:${port}/`;
}
