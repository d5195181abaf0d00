// The `log` subresource: the server asks the agent of the pod's node, as itself, and passes on what comes.

import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { badRequest, notFound, serviceUnavailable } from '@copepod/api/errors';
import { type AnyKind, type Node, NODE, type Pod } from '@copepod/api/kinds';
import type { Registry } from '../registry/index.ts';
import type { Answer } from './answer.ts';

export interface AgentCredentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const PASSED = ['follow', 'tailLines', 'previous', 'timestamps', 'sinceSeconds', 'limitBytes'];

export function createPodLog(registry: Registry, credentials: AgentCredentials): (pod: Pod, query: URLSearchParams, signal: AbortSignal) => Promise<Answer> {
  return async (pod, query, signal) => {
    const name = pod.metadata.name ?? '';
    const containers = (pod.spec?.containers ?? []).map((container) => container.name);
    const container = query.get('container') ?? containers[0] ?? '';
    if (!containers.includes(container)) throw badRequest(`container ${container} is not valid for pod ${name}: it has ${containers.join(', ')}`);
    const nodeName = pod.spec?.nodeName ?? '';
    if (nodeName === '') throw badRequest(`pod ${name} does not have a host assigned: it is waiting for a node`);
    const node = registry.get(NODE as unknown as AnyKind, { namespace: undefined, name: nodeName }).object as unknown as Node;
    const host = node.status?.addresses?.find((address) => address.type === 'InternalIP')?.address;
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port;
    if (host === undefined || port === undefined) throw serviceUnavailable(`node ${nodeName} has not said where its agent listens yet`);
    const asked = new URLSearchParams([...query].filter(([key]) => PASSED.includes(key)));
    const path = `/containerLogs/${pod.metadata.namespace}/${name}/${container}?${asked.toString()}`;
    const incoming = await ask({ host, port, path, nodeName, signal }, credentials);
    const status = incoming.statusCode ?? 502;
    if (status < 400) return { is: 'stream', contentType: 'text/plain; charset=utf-8', chunks: incoming as AsyncIterable<Uint8Array> };
    let text = '';
    for await (const chunk of incoming) text += String(chunk);
    if (status === 404) throw notFound('pods/log', `${name}: ${text.trim()}`);
    throw status === 400 ? badRequest(text.trim()) : serviceUnavailable(`the agent of node ${nodeName} answered ${status}: ${text.trim().slice(0, 500)}`);
  };
}

interface Question {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly nodeName: string;
  readonly signal: AbortSignal;
}

function ask({ host, port, path, nodeName, signal }: Question, credentials: AgentCredentials): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest({ host, port, path, ...credentials, servername: `${nodeName}.node.copepod`, agent: false, signal, timeout: 10_000 }, (incoming) => {
      outgoing.setTimeout(0);
      resolve(incoming);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')));
    outgoing.on('error', (error) => reject(serviceUnavailable(`the agent of node ${nodeName} cannot be reached at ${host}:${port}: ${error.message}`, error)));
    outgoing.end();
  });
}
