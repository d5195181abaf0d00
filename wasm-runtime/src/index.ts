// WASI components on wasmtime, from Node. The addon is loaded only when a runtime is opened.

export { RUNTIME_ERROR_CODES, RuntimeError, isRuntimeError, type RuntimeErrorCode } from './errors.ts';
export { type Bucket, type Grants, type ListenGrant, type Mount, NO_GRANTS } from './grants.ts';
export type { JcoClock } from './jco/index.ts';
export { DEFAULT_LIMITS, FRESH, LIMIT_NAMES, type LimitName, type Limits, type Reuse } from './limits.ts';
export { openRuntime, type OpenOptions } from './open.ts';
export type { CompilerLimits } from './wasmtime/compiler.ts';
export type {
  Component, ComponentInfo, Endpoint, EngineInfo, Exit, ExitReason, ListenerFailure, LogTarget, ProbeRequest, Proxy, ProxyOptions, RoutingTable, Runtime,
  ServicePort, ServiceRoute, Workload, WorkloadKind, WorkloadSpec, WorkloadStats,
} from './runtime.ts';
