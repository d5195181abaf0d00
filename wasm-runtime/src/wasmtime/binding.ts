// The addon's surface as the façade sees it, and the one place where its error values become exceptions.

import { createRequire } from 'node:module';
import { RUNTIME_ERROR_CODES, RuntimeError } from '../errors.ts';
import type { ComponentInfo, Exit, ListenerFailure, RoutingTable, WorkloadStats } from '../runtime.ts';

export interface BindingError {
  readonly code: string;
  readonly message: string;
}

export interface BindingSpec {
  readonly id: string;
  readonly args: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly memoryBytes: number;
  readonly requestTimeoutMs: number;
  readonly logPath: string;
  readonly logMaxBytes: number;
  readonly searchDomains: readonly string[];
  readonly egress: readonly string[];
}

export interface BindingComponent {
  readonly info: ComponentInfo;
}

export interface BindingService {
  stats(): WorkloadStats;
  probe(path: string, headers: readonly (readonly [string, string])[], timeoutMs: number): Promise<number | BindingError>;
  stop(deadlineMs: number): Promise<void>;
}

export interface BindingCommand {
  exited(): Promise<Exit>;
  stop(graceMs: number): Promise<void>;
}

export interface BindingTunnel {
  readonly address: string;
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export interface BindingProxy {
  readonly gatewayPort: number | null;
  readonly tunnelPort: number | null;
  apply(services: RoutingTable['services']): Promise<readonly ListenerFailure[] | BindingError>;
  close(): Promise<void>;
}

export interface BindingEngine {
  readonly compatibility: string;
  compile(file: string, output: string): Promise<BindingError | null>;
  load(file: string): Promise<BindingComponent | BindingError>;
  startService(component: BindingComponent, spec: BindingSpec, onFailure: (exit: Exit) => void): BindingService | BindingError;
  startCommand(component: BindingComponent, spec: BindingSpec): Promise<BindingCommand | BindingError>;
  openProxy(gateway: string | null, nodePortHost: string, tunnel: BindingTunnel | null): Promise<BindingProxy | BindingError>;
}

export interface Binding {
  openEngine(): BindingEngine | BindingError;
  inspect(file: string): Promise<ComponentInfo | BindingError>;
}

/** RuntimeError AddonMissing when the file is not an addon for this machine. */
export function loadBinding(addon: string): Binding {
  try {
    return createRequire(import.meta.url)(addon) as Binding;
  } catch (cause) {
    throw new RuntimeError('AddonMissing', `the addon at ${addon} does not load: remove it and run 'npm run setup'`, { cause });
  }
}

/** The value itself, or its RuntimeError thrown. */
export function unwrap<T>(value: T | BindingError): T {
  if (!isBindingError(value)) return value;
  const code = RUNTIME_ERROR_CODES.find((known) => known === value.code) ?? 'Internal';
  throw new RuntimeError(code, value.message);
}

// A plain object of exactly these two strings: no other value crosses with a `code`, except a listener failure, which has four fields.
function isBindingError(value: unknown): value is BindingError {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).length === 2 && 'code' in value && 'message' in value;
}
