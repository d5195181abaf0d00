// Public names of the second engine.
export { createJcoRuntime, type JcoClock } from './jco-runtime.ts';
