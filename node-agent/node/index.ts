// Public names of the node's own objects.
export type { NodeReporterOptions } from './node-status.ts';
export { registerNode, runHeartbeat } from './node-status.ts';
