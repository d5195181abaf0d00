// Finds the addon and opens the engine behind it.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRuntimeError, RuntimeError } from './errors.ts';
import { createJcoRuntime, type JcoClock } from './jco/index.ts';
import type { Runtime } from './runtime.ts';
import { loadBinding } from './wasmtime/binding.ts';
import { COMPILER_LIMITS, type CompilerLimits } from './wasmtime/compiler.ts';
import { createWasmtimeRuntime } from './wasmtime/wasmtime-runtime.ts';

export interface OpenOptions {
  /** Path of the addon; default: the one `npm run setup` built into `wasm-runtime/build`. */
  readonly addon?: string;
  /** Given, V8 runs the components (by jco) where the addon is missing or does not load; else that is an error. */
  readonly withoutAddon?: JcoClock;
  /**
   * `auto`: wasmtime where its addon is, else jco. `wasmtime`: that or an error. `pulley`: wasmtime's interpreter, for processors it makes no code for. `jco` passes over the
   * addon even where there is one. `auto` and `jco` need `withoutAddon` to come to jco.
   */
  readonly engine?: 'auto' | 'wasmtime' | 'pulley' | 'jco';
  /** 32 secret bytes from which the key is made that signs compiled components; absent: a key of this process alone, so that another one compiles anew. */
  readonly signingSeed?: Uint8Array;
  /** Ed25519 public keys (32 bytes each) whose compiled components are loaded beside our own. */
  readonly trustedKeys?: readonly Uint8Array[];
  /** Of the process that compiles. */
  readonly compiler?: Partial<CompilerLimits>;
}

/**
 * Opens the engine; one for each process is enough, since every workload shares its pool.
 * RuntimeError AddonMissing when there is none to load, BadCertificate for a key that is none, Internal when the machine grants not even the smallest pool.
 */
export function openRuntime(options: OpenOptions = {}): Runtime {
  const { engine = 'auto', withoutAddon } = options;
  if (withoutAddon === undefined || engine === 'wasmtime' || engine === 'pulley') return openAddon(options);
  if (engine === 'jco') return createJcoRuntime(withoutAddon);
  try {
    return openAddon(options);
  } catch (error) {
    if (isRuntimeError(error) && error.code === 'AddonMissing') return createJcoRuntime(withoutAddon);
    throw error;
  }
}

function openAddon(options: OpenOptions): Runtime {
  const machine = `${process.platform}-${process.arch}`;
  const addon = options.addon ?? join(dirname(import.meta.dirname), 'build', `copepod-${machine}.node`);
  if (!existsSync(addon)) {
    throw new RuntimeError('AddonMissing', `no wasmtime addon at ${addon}: run 'npm run setup', which builds it where Rust is installed`);
  }
  return createWasmtimeRuntime({
    binding: loadBinding(addon),
    addon,
    compiler: join(dirname(addon), `copepod-compiler-${machine}`),
    compilerLimits: { ...COMPILER_LIMITS, ...options.compiler },
    engine: {
      interpreter: options.engine === 'pulley',
      signingSeed: options.signingSeed === undefined ? undefined : Buffer.from(options.signingSeed),
      trustedKeys: (options.trustedKeys ?? []).map((key) => Buffer.from(key)),
    },
  });
}
