// Public names of the node's identity.
export { ensureCompileSeed } from './compile-seed.ts';
export type { JoinErrorCode, JoinOptions, NodeIdentity } from './join.ts';
export { ensureIdentity, JoinError } from './join.ts';
