// Public names of the harness.
export type { Cluster, Load, Peer } from './processes.ts';
export { buildPeer, example, memoryOf, missingTools, startCluster, startPeer, status, untilAnswer, wrk } from './processes.ts';
export type { Results, ScenarioResult } from './report.ts';
export { judge, machine, renderMarkdown } from './report.ts';
export type { Bar, Measurement, RunOptions, Scenario } from './scenario.ts';
export { interleave, median } from './scenario.ts';
