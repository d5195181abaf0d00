// Public names of leadership.
export type { ElectionOptions, ElectionTimes } from './election.ts';
export { DEFAULT_TIMES, runElection } from './election.ts';
export type { Fence } from './fence.ts';
export { behindFence, raiseFence } from './fence.ts';
