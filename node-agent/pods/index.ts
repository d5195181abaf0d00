// Public names of the pods of a node.
export { PodAddresses } from './pod-addresses.ts';
export type { PodManager, PodManagerOptions } from './pod-manager.ts';
export { createPodManager } from './pod-manager.ts';
