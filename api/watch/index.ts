// Public names of the watch vocabulary.
export type { WatchEvent, WatchEventType } from './event.ts';
