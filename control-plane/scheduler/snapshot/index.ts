// Public names of the snapshot.
export { Snapshot } from './snapshot.ts';
