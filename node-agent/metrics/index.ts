// Public names of the node's metrics.
export type { MeasuredPod } from './node-metrics.ts';
export { nodeMetrics } from './node-metrics.ts';
export { CONTENT_TYPE } from './prometheus-text.ts';
