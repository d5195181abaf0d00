// WASI components on wasmtime, from Node. The addon is loaded only when a runtime is opened.

export { RUNTIME_ERROR_CODES, RuntimeError, isRuntimeError, type RuntimeErrorCode } from './errors.ts';
export type { JcoClock } from './jco/index.ts';
export { openRuntime, type OpenOptions } from './open.ts';
export type {
  Component, ComponentInfo, Endpoint, EngineInfo, Exit, ExitReason, ListenerFailure, LogTarget, ProbeRequest, Proxy, ProxyOptions, RoutingTable, Runtime,
  ServicePort, ServiceRoute, Workload, WorkloadKind, WorkloadLimits, WorkloadSpec, WorkloadStats,
} from './runtime.ts';
