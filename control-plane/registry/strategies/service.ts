// Services get their ClusterIP (127.96.0.0/12, loopback on every node) and their NodePorts here. Two creates at the same moment must
// not get the same: what is handed out is remembered until the store shows it.

import { ApiError } from '@copepod/api/errors';
import { NODE_PORT_RANGE, type Service, SERVICE, type AnyKind } from '@copepod/api/kinds';
import { collectionPrefix } from '../keys.ts';
import type { Strategy, StrategyContext } from '../strategy.ts';

const FIRST_IP = (127 << 24) | (96 << 16);
const IP_COUNT = 2 ** 20;
const TRIES = 10_000;

export function serviceStrategy(): Strategy {
  const promised = new Set<string>();
  return {
    allocate(object, before, context) {
      const service = object as unknown as Service;
      const taken: string[] = [];
      const release = (): void => {
        for (const mark of taken) promised.delete(mark);
      };
      const previous = before as unknown as Service | undefined;
      const used = inUse(context, object.metadata.uid);
      const take = (mark: string): boolean => {
        if (used.has(mark) || promised.has(mark)) return false;
        promised.add(mark);
        taken.push(mark);
        return true;
      };
      try {
        const clusterIP = chooseIp(service, previous, take, context);
        const ports = (service.spec?.ports ?? []).map((port) => {
          const wants = service.spec?.type === 'NodePort' || service.spec?.type === 'LoadBalancer';
          const { nodePort: asked, ...rest } = port;
          if (!wants) return rest;
          const kept = previous?.spec?.ports?.find((known) => known.port === port.port && known.name === port.name)?.nodePort;
          return { ...rest, nodePort: choosePort(asked === undefined || asked === 0 ? undefined : asked, kept, take, context) };
        });
        const spec = { ...service.spec, clusterIP, clusterIPs: [clusterIP], ports };
        return { object: { ...object, spec }, takes: taken.length > 0, release };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

function inUse(context: StrategyContext, uid: string | undefined): Set<string> {
  const used = new Set<string>();
  for (const { object } of context.cache.list(collectionPrefix(SERVICE as unknown as AnyKind))) {
    if (object.metadata.uid === uid) continue;
    const { spec } = object as unknown as Service;
    if (spec?.clusterIP !== undefined) used.add(spec.clusterIP);
    for (const port of spec?.ports ?? []) if (port.nodePort !== undefined) used.add(`:${port.nodePort}`);
  }
  return used;
}

function chooseIp(service: Service, previous: Service | undefined, take: (mark: string) => boolean, context: StrategyContext): string {
  const asked = service.spec?.clusterIP;
  if (asked === 'None') return asked;
  const kept = previous?.spec?.clusterIP;
  if (kept !== undefined && (asked === undefined || asked === '' || asked === kept)) return kept;
  if (asked !== undefined && asked !== '') {
    const number = toNumber(asked);
    if (number === undefined || number < FIRST_IP || number >= FIRST_IP + IP_COUNT) throw refused(service, `spec.clusterIP: ${asked} is not in 127.96.0.0/12`);
    if (!take(asked)) throw refused(service, `spec.clusterIP: ${asked} is already allocated`);
    return asked;
  }
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const number = FIRST_IP + 1 + Math.floor(context.random() * (IP_COUNT - 2));
    // Addresses that end in 0 or 255 confuse people and some tools.
    const ip = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
    if (!/\.(0|255)$/.test(ip) && take(ip)) return ip;
  }
  throw new ApiError('InternalError', 'no ClusterIP is free in 127.96.0.0/12');
}

function choosePort(asked: number | undefined, kept: number | undefined, take: (mark: string) => boolean, context: StrategyContext): number {
  if (kept !== undefined && (asked === undefined || asked === kept)) return kept;
  if (asked !== undefined) {
    if (!take(`:${asked}`)) throw new ApiError('Invalid', `spec.ports: the node port ${asked} is already allocated: leave it out to have one chosen`);
    return asked;
  }
  const { first, last } = NODE_PORT_RANGE;
  const span = last - first + 1;
  const start = Math.floor(context.random() * span);
  for (let step = 0; step < span; step += 1) {
    const port = first + ((start + step) % span);
    if (take(`:${port}`)) return port;
  }
  throw new ApiError('InternalError', `no node port is free in ${first}-${last}`);
}

function toNumber(ip: string): number | undefined {
  const parts = ip.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function refused(service: Service, why: string): ApiError {
  return new ApiError('Invalid', `Service "${service.metadata.name}" is invalid: ${why}`);
}
