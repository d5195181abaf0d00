// Servers of the same answer under the same load, in turns: requests a second, latency, and what each request costs in CPU.

import { ask, cpuSeconds, untilAnswer, wrk } from './load.ts';
import { interleave, type Measurement } from './scenario.ts';

/** One side of a comparison. */
export interface Contender {
  readonly url: string;
  readonly host?: string;
  /** Whose CPU is counted. */
  readonly pid: number;
}

export interface ServingOptions {
  readonly rounds: number;
  readonly connections: readonly number[];
  /** Of each round. */
  readonly seconds: number;
  /** What every answer must hold; looked at before and after each round, while wrk counts every status. */
  readonly expect: string;
  /** Before each metric's name. */
  readonly label?: string;
  readonly say: (text: string) => void;
}

const WARM_UP_SECONDS = 1;

async function measure(contender: Contender, connections: number, { seconds, expect }: ServingOptions): Promise<Readonly<Record<string, number>>> {
  await check(contender, expect);
  const before = cpuSeconds(contender.pid);
  const load = await wrk(contender.url, { connections, seconds, ...(contender.host === undefined ? {} : { host: contender.host }) });
  const cpu = cpuSeconds(contender.pid) - before;
  await check(contender, expect);
  return { requests: load.requestsPerSecond, p50: load.p50, p99: load.p99, cpu: (cpu * 1e6) / load.requests };
}

async function check(contender: Contender, expect: string): Promise<void> {
  const { status, body } = await ask(contender);
  if (status !== 200 || !body.includes(expect)) throw new Error(`${contender.url} answered ${status} ${JSON.stringify(body)}, not ${JSON.stringify(expect)}`);
}

const METRICS = [
  { key: 'requests', name: 'requests', unit: '/s', better: 'higher' },
  { key: 'p50', name: 'latency p50', unit: 'µs', better: 'lower' },
  { key: 'p99', name: 'latency p99', unit: 'µs', better: 'lower' },
  { key: 'cpu', name: 'CPU of a request', unit: 'µs', better: 'lower' },
] as const;

/** Name of a metric of `compareServing`, for bars. */
export function servingMetric(name: (typeof METRICS)[number]['name'], connections: number, label?: string): string {
  return `${label === undefined ? '' : `${label}, `}c=${connections}: ${name}`;
}

export async function compareServing(contenders: Readonly<Record<string, Contender>>, options: ServingOptions): Promise<readonly Measurement[]> {
  const { rounds, label, say } = options;
  for (const { url, host } of Object.values(contenders)) {
    await untilAnswer(url, host);
    await wrk(url, { connections: 32, seconds: WARM_UP_SECONDS, ...(host === undefined ? {} : { host }) });
  }
  const measurements: Measurement[] = [];
  for (const connections of options.connections) {
    say(`${label === undefined ? '' : `${label}, `}${connections} connections`);
    const samples = await interleave(rounds, Object.fromEntries(Object.entries(contenders).map(([name, contender]) => [name, async () => measure(contender, connections, options)])));
    for (const { key, name, unit, better } of METRICS) {
      for (const [subject, taken] of Object.entries(samples)) {
        measurements.push({ subject, metric: servingMetric(name, connections, label), unit, better, samples: taken.map((sample) => sample[key] ?? Number.NaN) });
      }
    }
  }
  return measurements;
}
