// Finds the addon and opens the engine behind it.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RuntimeError } from './errors.ts';
import type { Runtime } from './runtime.ts';
import { loadBinding } from './wasmtime/binding.ts';
import { createWasmtimeRuntime } from './wasmtime/wasmtime-runtime.ts';

export interface OpenOptions {
  /** Path of the addon; default: the one `npm run setup` built into `wasm-runtime/build`. */
  readonly addon?: string;
}

/**
 * Opens the engine; one for each process is enough, since every workload shares its pool.
 * RuntimeError AddonMissing when there is none to load, Internal when the machine refuses its address space.
 */
export function openRuntime(options: OpenOptions = {}): Runtime {
  const addon = options.addon ?? join(dirname(import.meta.dirname), 'build', `copepod-${process.platform}-${process.arch}.node`);
  if (!existsSync(addon)) {
    throw new RuntimeError('AddonMissing', `no wasmtime addon at ${addon}: run 'npm run setup', which builds it where Rust is installed`);
  }
  return createWasmtimeRuntime(loadBinding(addon));
}
