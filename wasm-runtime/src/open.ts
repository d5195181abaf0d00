// Finds the addon and opens the engine behind it.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRuntimeError, RuntimeError } from './errors.ts';
import { createJcoRuntime, type JcoClock } from './jco/index.ts';
import type { Runtime } from './runtime.ts';
import { loadBinding } from './wasmtime/binding.ts';
import { createWasmtimeRuntime } from './wasmtime/wasmtime-runtime.ts';

export interface OpenOptions {
  /** Path of the addon; default: the one `npm run setup` built into `wasm-runtime/build`. */
  readonly addon?: string;
  /** Given, V8 runs the components (by jco) where the addon is missing or does not load; else that is an error. */
  readonly withoutAddon?: JcoClock;
  /** `jco` passes over the addon even where there is one; `withoutAddon` is needed then. */
  readonly engine?: 'auto' | 'jco';
}

/**
 * Opens the engine; one for each process is enough, since every workload shares its pool.
 * RuntimeError AddonMissing when there is none to load, Internal when the machine refuses its address space.
 */
export function openRuntime(options: OpenOptions = {}): Runtime {
  const { withoutAddon } = options;
  if (withoutAddon === undefined) return openAddon(options.addon);
  if (options.engine === 'jco') return createJcoRuntime(withoutAddon);
  try {
    return openAddon(options.addon);
  } catch (error) {
    if (isRuntimeError(error) && error.code === 'AddonMissing') return createJcoRuntime(withoutAddon);
    throw error;
  }
}

function openAddon(path: string | undefined): Runtime {
  const addon = path ?? join(dirname(import.meta.dirname), 'build', `copepod-${process.platform}-${process.arch}.node`);
  if (!existsSync(addon)) {
    throw new RuntimeError('AddonMissing', `no wasmtime addon at ${addon}: run 'npm run setup', which builds it where Rust is installed`);
  }
  return createWasmtimeRuntime(loadBinding(addon));
}
