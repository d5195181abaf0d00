// Public names of the cluster's identities.
export type { KeyPair } from './certificates.ts';
export { createAuthority, issue } from './certificates.ts';
export type { ClusterPki } from './cluster-pki.ts';
export { ensureClusterPki, keepAuthority, readAuthority, writeAtomically } from './cluster-pki.ts';
export { readSecret, seal, SealError, unseal, writeSecret } from './sealed-authority.ts';
export type { JoinTokens, KnownToken, TokenBook } from './join-token.ts';
export { createJoinTokens, tokenFile } from './join-token.ts';
export { createJoinRoutes } from './join.ts';
export { renderKubeconfig } from './kubeconfig.ts';
