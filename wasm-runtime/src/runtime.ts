// The contract of a WebAssembly engine as its user sees it; an adapter proves itself by `suite.ts`.
// Nothing here may name a pod or any other object of the API.

/** What a component is for, decided by what it exports. */
export type WorkloadKind = 'service' | 'command';

export interface EngineInfo {
  readonly name: 'wasmtime' | 'jco';
  readonly version: string;
  /** Changes whenever compiled artefacts of another engine, version or tuning must not be loaded. Safe as a file name. */
  readonly compatibility: string;
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

export interface WorkloadLimits {
  /** All linear memories of one instance together, bytes. */
  readonly memoryBytes: number;
  /** Wall time of one request (service), milliseconds. A command has none. */
  readonly requestTimeoutMs: number;
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
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly limits: WorkloadLimits;
  readonly log: LogTarget;
  /** Appended to host names of its own requests that are not found as they are, e.g. `default.svc.cluster.local`. */
  readonly searchDomains: readonly string[];
  /** `host:port` (or `*.suffix:port`) its own requests may reach beside Services. */
  readonly egress: readonly string[];
}

export type ExitReason = 'Completed' | 'Error' | 'Trap' | 'OOMKilled' | 'DeadlineExceeded' | 'Stopped';

/** How an instance ended. `exitCode`: 0 completed, 137 OOMKilled and Stopped, 124 DeadlineExceeded, 134 Trap, else the guest's own. */
export interface Exit {
  readonly reason: ExitReason;
  readonly exitCode: number;
  /** For people: which limit and its size, or the trap and the function it happened in. */
  readonly message: string;
}

export interface WorkloadStats {
  readonly requests: number;
  readonly inFlight: number;
  /** Instances that ended other than well. */
  readonly failures: number;
  /** Bytes; largest linear memory total any instance reached. */
  readonly memoryHighWater: number;
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
  /** Called once for each request whose instance trapped, ran out of memory or out of time (service only); one listener. */
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
  /** Compiles `file` to `output`, written to a temporary name in the same directory and renamed. Same errors as inspect, and CompileFailed. */
  compile(file: string, output: string): Promise<void>;
  /** Loads what `compile` wrote. RuntimeError IncompatibleArtifact when it was made by another engine, version or tuning. */
  load(compiled: string): Promise<Component>;
  /** RuntimeError AlreadyExists, LimitTooSmall. A service is ready to be routed to when this resolves; a command is running. */
  start(spec: WorkloadSpec): Promise<Workload>;
  /** One proxy per runtime. RuntimeError PortInUse, PermissionDenied, AddressUnavailable, BadCertificate. */
  openProxy(options: ProxyOptions): Promise<Proxy>;
  /** Ends every workload and listener. */
  close(): Promise<void>;
}
