// Public names of the cluster's identities.
export type { KeyPair } from './certificates.ts';
export { issue } from './certificates.ts';
export type { ClusterPki } from './cluster-pki.ts';
export { ensureClusterPki, writeAtomically } from './cluster-pki.ts';
export type { JoinTokens } from './join-token.ts';
export { createJoinTokens } from './join-token.ts';
export { createJoinRoutes } from './join.ts';
export { renderKubeconfig } from './kubeconfig.ts';
