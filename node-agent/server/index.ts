// Public names of the agent's own API.
export type { KubeletServerOptions, LoggedPod } from './kubelet-server.ts';
export { createKubeletServer } from './kubelet-server.ts';
