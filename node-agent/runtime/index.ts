// The only door to the engine: the rest of the agent sees what is named here.
export type { Component, Exit, ListenerFailure, Proxy, RoutingTable, Runtime, ServiceRoute, Workload } from '@copepod/runtime';
export { isRuntimeError, openRuntime } from '@copepod/runtime';
