// What a workload is given: nothing, unless it is listed here.

export interface Mount {
  /** A directory of this machine. */
  readonly host: string;
  /** Absolute path under which the guest finds it. */
  readonly guest: string;
  readonly writable: boolean;
}

/** A port of the workload's own address it may listen on. */
export interface ListenGrant {
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
}

/** A key-value store a guest opens by name through `wasi:keyvalue`. */
export interface Bucket {
  /** `default` is what most guests ask for; an empty name means it too. */
  readonly name: string;
  /** A directory of this machine, made when it is not there. Workloads that name the same one share its entries. */
  readonly path: string;
  readonly maxBytes: number;
  /** How long an entry lives; undefined: until it is deleted. */
  readonly ttlMs?: number;
}

export interface Grants {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it reads from standard input. */
  readonly stdin: string;
  readonly mounts: readonly Mount[];
  /** Appended to host names of its own requests that are not found as they are, e.g. `default.svc.cluster.local`. */
  readonly searchDomains: readonly string[];
  /**
   * What it may reach beside Services, by HTTP or by socket: `host:port`, `*.suffix:port`, `10.0.0.0/8:port`, with `*` for any port. Loopback, link-local and
   * metadata addresses are reached only where a rule names the address itself.
   */
  readonly egress: readonly string[];
  /** Names it may look up without connecting: `host` or `*.suffix`. Those of `egress` are among them. */
  readonly names: readonly string[];
  /** The address it listens on, whatever it binds to; undefined: it listens nowhere. */
  readonly address?: string;
  readonly listen: readonly ListenGrant[];
  /** `wasi:config`. */
  readonly config: Readonly<Record<string, string>>;
  readonly buckets: readonly Bucket[];
  /** Finer clocks measure caches and neighbours. */
  readonly clocks: 'millisecond' | 'nanosecond';
}

/** The default: nothing. */
export const NO_GRANTS: Grants = Object.freeze({
  args: [], env: {}, stdin: '', mounts: [], searchDomains: [], egress: [], names: [], listen: [], config: {}, buckets: [], clocks: 'millisecond',
});
