// Public names of the work queue.
export type { Outcome, WorkQueue, WorkQueueOptions } from './workqueue.ts';
export { createWorkQueue } from './workqueue.ts';
