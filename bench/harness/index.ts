// Public names of the harness.
export { example, guest, type GuestName } from './guests.ts';
export { ask, memoryOf, untilAnswer, wrk } from './load.ts';
export { buildPeer, missingTools, runMeasure, startHyper, startPeer, startPrecompiledPeer } from './peers.ts';
export { type Cluster, type Server, startCluster, startRuntime } from './processes.ts';
export type { Results, ScenarioResult } from './report.ts';
export { judge, machine, renderMarkdown } from './report.ts';
export type { Bar, Measurement, RunOptions, Scenario } from './scenario.ts';
export { interleave, median } from './scenario.ts';
export { compareServing, servingMetric } from './serving.ts';
