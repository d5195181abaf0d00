// The node's own objects: registers it, renews its lease as heartbeat, and keeps its status true.

import { cpus, release, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import { isAlreadyExists, isConflict } from '@copepod/api/errors';
import { isNodeReady, LEASE, type Node, NODE, type NodeStatus } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import type { Informer } from '@copepod/client/informer';
import { resourceClient, type Transport } from '@copepod/client/rest';

export interface NodeReporterOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly nodes: Informer<Node>;
  readonly nodeName: string;
  readonly address: string;
  readonly kubeletPort: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** e.g. `wasmtime://48.0.8`. */
  readonly engine: string;
  readonly version: string;
  readonly log: { warn(fields: object, message: string): void };
}

const HEARTBEAT_MS = 2000;
const LEASE_SECONDS = 8;
const LEASE_NAMESPACE = 'kube-node-lease';
/** An idle replica costs kilobytes; what bounds their number is the block of addresses. */
const MAX_PODS = 4094;

/** Resolves when the node object is there and has its block of pod addresses. */
export async function registerNode(options: NodeReporterOptions, signal: AbortSignal): Promise<Node> {
  const client = resourceClient(options.transport, NODE);
  const { nodeName: name, annotations } = options;
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': process.platform, 'kubernetes.io/arch': architecture() };
  try {
    await client.create({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels, annotations } });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await client.patch({ name }, { type: 'merge', body: { metadata: { labels, annotations } } });
  }
  await writeStatus(options);
  for (;;) {
    const node = await client.get({ name });
    if (node.spec?.podCIDR !== undefined && node.spec.podCIDR !== '') return node;
    await options.clock.sleep(100, signal);
  }
}

/** Heartbeats until the signal aborts. */
export async function runHeartbeat(options: NodeReporterOptions, signal: AbortSignal): Promise<void> {
  const leases = resourceClient(options.transport, LEASE);
  const { nodeName: name, clock } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z');
      const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
      try {
        await leases.patch({ namespace: LEASE_NAMESPACE, name }, { type: 'merge', body: { spec } }, { signal });
      } catch {
        await leases.create({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: LEASE_NAMESPACE }, spec }, { signal });
      }
      const node = options.nodes.store.get(name);
      if (node !== undefined && !isNodeReady(node)) await writeStatus(options);
      // Somebody deleted the node while its agent lives: it is registered anew.
      else if (node === undefined && options.nodes.hasSynced) await registerNode(options, signal);
      failures = 0;
    } catch (error) {
      failures += 1;
      if (failures === 3 && !signal.aborted) options.log.warn({ err: error }, 'the control plane is not reached; pods and routes go on as they are');
    }
    await clock.sleep(HEARTBEAT_MS, signal).catch(() => {});
  }
}

async function writeStatus(options: NodeReporterOptions): Promise<void> {
  const client = resourceClient(options.transport, NODE);
  for (;;) {
    const node = await client.get({ name: options.nodeName });
    try {
      await client.updateStatus({ ...node, status: statusOf(node, options) });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

function statusOf(node: Node, options: NodeReporterOptions): NodeStatus {
  const time = new Date(options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const resources = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: String(MAX_PODS) };
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  return {
    capacity: resources, allocatable: resources,
    addresses: [{ type: 'InternalIP', address: options.address }, { type: 'Hostname', address: options.nodeName }],
    daemonEndpoints: { kubeletEndpoint: { Port: options.kubeletPort } },
    conditions: [{
      type: 'Ready', status: 'True', reason: 'AgentReady', message: 'the agent is posting ready status',
      lastHeartbeatTime: time, lastTransitionTime: ready?.status === 'True' ? ready.lastTransitionTime ?? time : time,
    }],
    nodeInfo: {
      architecture: architecture(), operatingSystem: process.platform, kernelVersion: release(), osImage: osImage(), containerRuntimeVersion: options.engine,
      kubeletVersion: options.version, kubeProxyVersion: '', machineID: '', systemUUID: '', bootID: '',
    },
  };
}

function architecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

function osImage(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}
