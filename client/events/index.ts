// Public names of the events.
export type { Recorder, Subject } from './recorder.ts';
export { createRecorder } from './recorder.ts';
