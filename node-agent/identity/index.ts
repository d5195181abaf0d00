// Public names of the node's identity.
export type { JoinErrorCode, JoinOptions, NodeIdentity } from './join.ts';
export { ensureIdentity, JoinError } from './join.ts';
