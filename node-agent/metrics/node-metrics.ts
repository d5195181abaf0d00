// What the pods of a node have done, as metrics. Names are the kubelet's and cAdvisor's where those have one for it, else `copepod_…`. Counters are of the
// container's present start: they begin at 0 again when it is started again, as Prometheus expects of counters.

import type { EngineInfo, WorkloadStats } from '../runtime/index.ts';
import { type Family, formatMetrics, type Labels, type Sample } from './prometheus-text.ts';

export interface MeasuredPod {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly stats: WorkloadStats;
}

/** Every second bucket of the engine's, 16 µs to 17 s: the others say little more, and a node may have thousands of pods. */
const LATENCY_BUCKETS = [4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24] as const;

type Measure = (stats: WorkloadStats) => readonly Sample[];
const one = (value: number, labels: Labels = {}): readonly Sample[] => [{ labels, value }];
const named = (label: string, counts: Readonly<Partial<Record<string, number>>>): readonly Sample[] => Object.entries(counts).map(([name, value = 0]) => ({ labels: { [label]: name }, value }));

const MEASURES: readonly (Omit<Family, 'samples'> & { readonly measure: Measure })[] = [
  { name: 'container_cpu_usage_seconds_total', type: 'counter', help: 'CPU time of the guest.', measure: ({ cpuNanos }) => one(cpuNanos / 1e9) },
  { name: 'container_memory_max_usage_bytes', type: 'gauge', help: 'Largest linear memory any of its instances reached.', measure: ({ memoryHighWater }) => one(memoryHighWater) },
  { name: 'copepod_instances_total', type: 'counter', help: 'Instances made.', measure: ({ instances }) => one(instances) },
  { name: 'copepod_instance_failures_total', type: 'counter', help: 'Instances that ended other than well, by reason.', measure: ({ failuresByReason }) => named('reason', failuresByReason) },
  { name: 'copepod_requests_in_flight', type: 'gauge', help: 'Requests under way.', measure: ({ inFlight }) => one(inFlight) },
  { name: 'copepod_requests_total', type: 'counter', help: 'Requests answered, by class of status.', measure: ({ byClass }) => byClass.flatMap((value, index) => (value > 0 ? one(value, { class: `${index + 1}xx` }) : [])) },
  { name: 'copepod_request_duration_seconds', type: 'histogram', help: 'Time until a request was answered.', measure: ({ latency, latencyMicros }) => histogram(latency, latencyMicros) },
  { name: 'copepod_request_body_bytes_total', type: 'counter', help: 'Bytes of bodies the guest was sent.', measure: ({ bytesIn }) => one(bytesIn) },
  { name: 'copepod_response_body_bytes_total', type: 'counter', help: 'Bytes of bodies the guest sent.', measure: ({ bytesOut }) => one(bytesOut) },
  { name: 'copepod_limit_hits_total', type: 'counter', help: 'How often a limit was met, by limit.', measure: ({ limitHits }) => named('limit', limitHits) },
];

/** As text for Prometheus. */
export function nodeMetrics(engine: EngineInfo, pods: readonly MeasuredPod[]): string {
  return formatMetrics([
    { name: 'copepod_engine_info', type: 'gauge', help: 'The engine of this node.', samples: one(1, { engine: engine.name, version: engine.version }) },
    { name: 'kubelet_running_containers', type: 'gauge', help: 'Containers that run.', samples: one(pods.length) },
    ...MEASURES.map(({ measure, ...family }): Family => ({
      ...family,
      samples: pods.flatMap(({ stats, ...where }) => measure(stats).map((sample) => ({ ...sample, labels: { ...where, ...sample.labels } }))),
    })),
  ]);
}

/** Bucket i of `counts` holds what took less than 2^i µs; the last one also all that took longer. A container that answered nothing has none. */
function histogram(counts: readonly number[], micros: number): readonly Sample[] {
  const upTo = (bucket: number): number => counts.slice(0, bucket + 1).reduce((sum, count) => sum + count, 0);
  const all = upTo(counts.length);
  if (all === 0) return [];
  const bounded = LATENCY_BUCKETS.filter((bucket) => bucket < counts.length - 1);
  return [
    ...bounded.map((bucket) => ({ suffix: '_bucket', labels: { le: String(2 ** bucket / 1e6) }, value: upTo(bucket) })),
    { suffix: '_bucket', labels: { le: '+Inf' }, value: all },
    { suffix: '_sum', labels: {}, value: micros / 1e6 },
    { suffix: '_count', labels: {}, value: all },
  ];
}
