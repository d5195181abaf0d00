// The contract of a WebAssembly engine as its user sees it; an adapter proves itself by `suite.ts`.
// Nothing here may name a pod or any other object of the API.

import type { Grants } from './grants.ts';
import type { LimitName, Limits, Reuse } from './limits.ts';

/** What a component is for, decided by what it exports. */
export type WorkloadKind = 'service' | 'command';

export interface EngineInfo {
  /** `pulley`: wasmtime's interpreter. */
  readonly name: 'wasmtime' | 'pulley' | 'jco';
  readonly version: string;
  /** Changes whenever compiled artefacts of another engine, version or tuning must not be loaded. Safe as a file name. */
  readonly compatibility: string;
  /** Instances that may live at once; undefined: the engine has no pool. */
  readonly capacity: number | undefined;
  /** Ed25519, of the key that signs what this engine compiles; undefined: it signs nothing. */
  readonly publicKey: Uint8Array | undefined;
}

export interface ComponentInfo {
  readonly kind: WorkloadKind;
  /** Fully qualified interface names, e.g. `wasi:http/types@0.2.12`. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** A compiled, pre-linked component, shared by every workload started from it. */
export interface Component {
  readonly info: ComponentInfo;
}

export interface LogTarget {
  /** Appended to, created at the first line; parent directories exist. One line: `<RFC3339Nano> stdout|stderr F|P <text>`. */
  readonly path: string;
  /** When the file would pass this many bytes it is renamed to `<path>.1` and started anew. */
  readonly maxBytes: number;
}

export interface WorkloadSpec {
  /** Unique in this runtime; routes name it. */
  readonly id: string;
  readonly component: Component;
  readonly grants: Grants;
  readonly limits: Limits;
  readonly reuse: Reuse;
  /** Fresh instances made ready before a request asks for them, off its path (service only). */
  readonly warm: number;
  /** A line in the log for each request. */
  readonly accessLog: boolean;
  readonly log: LogTarget;
}

export type ExitReason = 'Completed' | 'Error' | 'Trap' | 'OOMKilled' | 'DeadlineExceeded' | 'Stopped';

/** How an instance ended. `exitCode`: 0 completed, 137 OOMKilled and Stopped, 124 DeadlineExceeded, 134 Trap, else the guest's own. */
export interface Exit {
  readonly reason: ExitReason;
  readonly exitCode: number;
  /** For people: which limit and its size, or the trap and the function it happened in. */
  readonly message: string;
}

/** Counted since the workload was started, and read without holding up what it counts: no two of them are of the same moment. */
export interface WorkloadStats {
  readonly requests: number;
  readonly inFlight: number;
  /** Answers by status class, 1xx to 5xx. */
  readonly byClass: readonly number[];
  /** Bucket i: requests answered in less than 2^i microseconds, and not less than half of it. */
  readonly latency: readonly number[];
  /** Of all answers together. */
  readonly latencyMicros: number;
  /** Instances made. */
  readonly instances: number;
  /** Instances that ended other than well. */
  readonly failures: number;
  readonly failuresByReason: Readonly<Partial<Record<ExitReason, number>>>;
  /** Bytes; largest linear memory total any instance reached. */
  readonly memoryHighWater: number;
  /** CPU time of its guests. */
  readonly cpuNanos: number;
  /** Of bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** How often each limit was met; what was never met may be absent. */
  readonly limitHits: Readonly<Partial<Record<LimitName, number>>>;
}

export interface ProbeRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface Workload {
  readonly id: string;
  readonly kind: WorkloadKind;
  /** Command: resolves when it ends. Service: resolves with `Stopped` after `stop`. Never rejects. */
  readonly exited: Promise<Exit>;
  /**
   * Called for each instance that trapped, ran out of memory or out of time (service only), and for each request that ran out of time in an instance which answers
   * several; one listener.
   */
  onFailure(listener: (failure: Exit) => void): void;
  /** One in-process GET to a fresh instance (service only); its status code. Rejects with RuntimeError. Does not call onFailure. */
  probe(request: ProbeRequest): Promise<number>;
  stats(): WorkloadStats;
  /** Takes no new requests from routes, waits for those in flight at most `deadlineMs`, then ends what is left. Idempotent. */
  stop(deadlineMs: number): Promise<void>;
}

/** A ready workload; `node` absent: of this runtime. */
export interface Endpoint {
  readonly workload: string;
  /** `address`: `ip:port` of the other node's tunnel; `serverName`: the DNS name its certificate must carry. */
  readonly node?: { readonly address: string; readonly serverName: string };
}

export interface ServicePort {
  readonly port: number;
  readonly nodePort?: number;
  /** Taken in turn. Empty: requests are answered 503. */
  readonly endpoints: readonly Endpoint[];
}

export interface ServiceRoute {
  /** DNS name inside the cluster, e.g. `hello.default.svc.cluster.local`. */
  readonly host: string;
  /** Host the gateway answers to, e.g. `hello.default.localhost`. The first port is the one it serves. */
  readonly gatewayHost: string;
  /** Loopback VIP; absent for headless services. */
  readonly clusterIP?: string;
  readonly ports: readonly ServicePort[];
}

export interface RoutingTable {
  readonly services: readonly ServiceRoute[];
}

/** A listener that could not be opened; the rest of the table is in force all the same. */
export interface ListenerFailure {
  readonly host: string;
  readonly port: number;
  /** `PortInUse`, `PermissionDenied` (below 1024 without the capability) or `AddressUnavailable`. */
  readonly code: 'PortInUse' | 'PermissionDenied' | 'AddressUnavailable';
  readonly service: string;
}

export interface ProxyOptions {
  /** Port 0 picks a free one. Absent: no gateway. */
  readonly gateway?: { readonly host: string; readonly port: number };
  /** Host NodePorts are opened on. */
  readonly nodePortHost: string;
  /** To and from other nodes, with mutual TLS: certificate, key and authority as PEM. Port 0 picks a free one. Absent: local endpoints alone. */
  readonly tunnel?: { readonly host: string; readonly port: number; readonly certificate: string; readonly key: string; readonly authority: string };
}

export interface Proxy {
  readonly gatewayPort: number | undefined;
  readonly tunnelPort: number | undefined;
  /** Swaps the whole table at once for new requests, then opens and closes listeners to match. Calls are serialised. */
  apply(table: RoutingTable): Promise<readonly ListenerFailure[]>;
  close(): Promise<void>;
}

export interface Runtime {
  readonly engine: EngineInfo;
  /** Validates a file: RuntimeError NotWasm, Truncated, NotAComponent, UnsupportedImport, NoEntryPoint or Io. */
  inspect(file: string): Promise<ComponentInfo>;
  /**
   * Compiles a component, or a core module of preview 1, to `output`, written to a temporary name in the same directory and renamed. `onProgress` hears what is
   * being done: `waiting`, `inspecting`, `compiling`, `writing`. Same errors as inspect, and CompileFailed, which is also what one gets that takes more time
   * or memory than compiling may.
   */
  compile(file: string, output: string, onProgress?: (step: string) => void): Promise<void>;
  /** Loads what `compile` wrote. RuntimeError IncompatibleArtifact when it was changed, or made by another engine, version, tuning or signer; TooComplex. */
  load(compiled: string): Promise<Component>;
  /** RuntimeError AlreadyExists, LimitTooSmall, BadGrant, Unsupported (what this engine cannot grant or hold), Overloaded. A service is ready to be routed to when this resolves; a command is running. */
  start(spec: WorkloadSpec): Promise<Workload>;
  /** One proxy per runtime. RuntimeError PortInUse, PermissionDenied, AddressUnavailable, BadCertificate. */
  openProxy(options: ProxyOptions): Promise<Proxy>;
  /** Ends every workload and listener. */
  close(): Promise<void>;
}
