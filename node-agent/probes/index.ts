// Public names of the probes.
export type { ProberOptions, ProbeTarget } from './prober.ts';
export { startProber } from './prober.ts';
