// The only door to the engine: the rest of the agent sees what is named here.
export type {
  Bucket, Component, EngineInfo, Exit, ExitReason, Grants, LimitName, Limits, ListenerFailure, ListenGrant, Mount, Proxy, Reuse, RoutingTable, Runtime, ServiceRoute, Workload,
  WorkloadKind, WorkloadSpec, WorkloadStats,
} from '@copepod/runtime';
export { DEFAULT_LIMITS, isRuntimeError, NO_GRANTS, openRuntime } from '@copepod/runtime';
