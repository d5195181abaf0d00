// The node's metrics as Prometheus reads them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadStats } from '../runtime/index.ts';
import { nodeMetrics } from './index.ts';
import { formatMetrics } from './prometheus-text.ts';

const engine = { name: 'wasmtime', version: '48.0.8', compatibility: 'x', capacity: 1000, publicKey: undefined } as const;
const idle: WorkloadStats = {
  requests: 0, inFlight: 0, byClass: [0, 0, 0, 0, 0], latency: Array.from({ length: 27 }, () => 0), latencyMicros: 0, instances: 0, failures: 0, failuresByReason: {},
  memoryHighWater: 0, cpuNanos: 0, bytesIn: 0, bytesOut: 0, limitHits: {},
};
const where = { namespace: 'default', pod: 'web-1', container: 'web' };
const lines = (text: string, name: string): readonly string[] => text.split('\n').filter((line) => line.startsWith(name));

test('a family has its help and type before its samples, and none when it has no samples', () => {
  const text = formatMetrics([
    { name: 'a_total', type: 'counter', help: 'Of\nmany \\ lines.', samples: [{ labels: {}, value: 3 }, { labels: { path: 'C:\\"x"\n' }, value: Number.POSITIVE_INFINITY }] },
    { name: 'b', type: 'gauge', help: 'None.', samples: [] },
  ]);
  assert.equal(text, '# HELP a_total Of\\nmany \\\\ lines.\n# TYPE a_total counter\na_total 3\na_total{path="C:\\\\\\"x\\"\\n"} +Inf\n');
});

test('a pod that did nothing is measured in few lines', () => {
  const text = nodeMetrics(engine, [{ ...where, stats: idle }]);
  assert.deepEqual(lines(text, 'copepod_engine_info'), ['copepod_engine_info{engine="wasmtime",version="48.0.8"} 1']);
  assert.deepEqual(lines(text, 'kubelet_running_containers'), ['kubelet_running_containers 1']);
  assert.deepEqual(lines(text, 'container_cpu_usage_seconds_total'), ['container_cpu_usage_seconds_total{namespace="default",pod="web-1",container="web"} 0']);
  assert.deepEqual(lines(text, 'copepod_request_duration_seconds'), []);
  assert.equal(lines(text, 'copepod_requests_total').length, 0);
});

test('what a pod did is told by class, reason and limit', () => {
  const stats: WorkloadStats = {
    ...idle, requests: 7, inFlight: 1, byClass: [0, 4, 0, 1, 1], instances: 6, failures: 1, failuresByReason: { OOMKilled: 1 }, memoryHighWater: 65_536,
    cpuNanos: 1_500_000_000, bytesIn: 10, bytesOut: 20, limitHits: { memory: 1 },
  };
  const text = nodeMetrics(engine, [{ ...where, stats }]);
  const labels = 'namespace="default",pod="web-1",container="web"';
  assert.deepEqual(lines(text, 'copepod_requests_total'), ['2xx', '4xx', '5xx'].map((name, index) => `copepod_requests_total{${labels},class="${name}"} ${[4, 1, 1][index]}`));
  for (const line of [
    `copepod_requests_in_flight{${labels}} 1`, `copepod_instances_total{${labels}} 6`, `copepod_instance_failures_total{${labels},reason="OOMKilled"} 1`, `copepod_limit_hits_total{${labels},limit="memory"} 1`,
    `container_memory_max_usage_bytes{${labels}} 65536`, `container_cpu_usage_seconds_total{${labels}} 1.5`, `copepod_request_body_bytes_total{${labels}} 10`, `copepod_response_body_bytes_total{${labels}} 20`,
  ]) assert.ok(text.includes(`\n${line}\n`), line);
});

test('the histogram adds up, and what took longer than its last bound is in its last bucket', () => {
  const latency = [...idle.latency];
  latency[1] = 1;
  latency[4] = 2;
  latency[5] = 3;
  latency[26] = 4;
  const text = nodeMetrics(engine, [{ ...where, stats: { ...idle, latency, latencyMicros: 2_500_000 } }]);
  const found = lines(text, 'copepod_request_duration_seconds').map((line) => line.replace(/^copepod_request_duration_seconds_(\w+).*container="web"(?:,le="([^"]*)")?\} /, (_, name: string, le: string | undefined) => `${le ?? name} `));
  assert.deepEqual([found[0], found[1], found.at(-4), found.at(-3), found.at(-2), found.at(-1)], ['0.000016 3', '0.000064 6', '16.777216 6', '+Inf 10', 'sum 2.5', 'count 10']);
});
