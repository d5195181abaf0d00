// Kind → its strategy, for those that have one.
import type { Strategy } from '../strategy.ts';
import { namespaceStrategy } from './namespace.ts';
import { podStrategy } from './pod.ts';
import { serviceStrategy } from './service.ts';

export function createStrategies(): ReadonlyMap<string, Strategy> {
  return new Map([['Namespace', namespaceStrategy], ['Pod', podStrategy], ['Service', serviceStrategy()]]);
}
