// Public names of the scheduling framework.
export type { NodeSummary, Plugin, Request } from './plugin.ts';
export { requestOf } from './requests.ts';
