// The addon's surface as the façade sees it, and the one place where its error values become exceptions.

import { createRequire } from 'node:module';
import { RUNTIME_ERROR_CODES, RuntimeError } from '../errors.ts';
import type { Grants } from '../grants.ts';
import type { Limits, Reuse } from '../limits.ts';
import type { ComponentInfo, Exit, ListenerFailure, RoutingTable, WorkloadStats } from '../runtime.ts';

export interface BindingError {
  readonly code: string;
  readonly message: string;
}

type Pairs = readonly (readonly [string, string])[];

export interface BindingSpec {
  readonly id: string;
  readonly grants: Omit<Grants, 'env' | 'config' | 'clocks'> & { readonly env: Pairs; readonly config: Pairs; readonly fineClocks: boolean };
  readonly limits: Limits;
  readonly reuse: Omit<Extract<Reuse, { is: 'pooled' }>, 'is'> | undefined;
  readonly warm: number;
  readonly accessLog: boolean;
  readonly logPath: string;
  readonly logMaxBytes: number;
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
  stats(): WorkloadStats;
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
  readonly capacity: number;
  readonly publicKey: Uint8Array;
  /** What the compiler's process is told of this engine. */
  readonly compilerOptions: readonly string[];
  /** Signs what the compiler's process left. */
  seal(file: string, imageBytes: number): Promise<BindingError | null>;
  load(file: string): Promise<BindingComponent | BindingError>;
  startService(component: BindingComponent, spec: BindingSpec, onFailure: (exit: Exit) => void): BindingService | BindingError;
  startCommand(component: BindingComponent, spec: BindingSpec): Promise<BindingCommand | BindingError>;
  openProxy(gateway: string | null, nodePortHost: string, tunnel: BindingTunnel | null): Promise<BindingProxy | BindingError>;
}

export interface BindingOptions {
  /** Runs Pulley bytecode instead of machine code. */
  readonly interpreter: boolean;
  readonly signingSeed: Buffer | undefined;
  readonly trustedKeys: readonly Buffer[];
}

export interface Binding {
  openEngine(options: BindingOptions): BindingEngine | BindingError;
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
  throw errorOf(value.code, value.message);
}

/** Throws what a call says that has nothing else to say. */
export function settle(failure: BindingError | null): void {
  if (failure !== null) throw errorOf(failure.code, failure.message);
}

/** The engine's code as one of ours. */
export function errorOf(code: string, message: string): RuntimeError {
  return new RuntimeError(RUNTIME_ERROR_CODES.find((known) => known === code) ?? 'Internal', message);
}

// A plain object of exactly these two strings: no other value crosses with a `code`, except a listener failure, which has four fields.
function isBindingError(value: unknown): value is BindingError {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).length === 2 && 'code' in value && 'message' in value;
}
