// Public names of the logs.
export type { LogQuery, LogSource } from './log-reader.ts';
export { readLog } from './log-reader.ts';
