// Public names of the node's proxy.
export type { ProxyManager, ProxyManagerOptions } from './proxy-manager.ts';
export { createProxyManager } from './proxy-manager.ts';
export { TUNNEL_ADDRESS } from './routing-table.ts';
