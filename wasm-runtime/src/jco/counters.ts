// What a workload on V8 has done.

import type { LimitName } from '../limits.ts';
import type { ExitReason, WorkloadStats } from '../runtime.ts';

/** Up to 2^26 µs, as the other engine counts. */
const LATENCY_BUCKETS = 27;

export class Counters {
  inFlight = 0;
  bytesIn = 0;
  bytesOut = 0;
  #latencyMicros = 0;
  #requests = 0;
  #instances = 0;
  readonly #byClass = [0, 0, 0, 0, 0];
  readonly #latency = Array.from({ length: LATENCY_BUCKETS }, () => 0);
  readonly #failures = new Map<ExitReason, number>();
  readonly #hits = new Map<LimitName, number>();

  /** A request, before it is known what becomes of it. */
  began(): void {
    this.#requests += 1;
  }

  answered(status: number, ms: number): void {
    add(this.#byClass, Math.min(5, Math.max(1, Math.floor(status / 100))) - 1);
    this.#latencyMicros += Math.round(ms * 1000);
    add(this.#latency, Math.min(LATENCY_BUCKETS - 1, Math.floor(ms * 1000).toString(2).length));
  }

  instance(): void {
    this.#instances += 1;
  }

  failed(reason: ExitReason): void {
    this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
  }

  hit(limit: LimitName): void {
    this.#hits.set(limit, (this.#hits.get(limit) ?? 0) + 1);
  }

  /** V8 says neither how much memory its guests hold nor what time they take: both are 0. */
  read(): WorkloadStats {
    return {
      requests: this.#requests, inFlight: this.inFlight, byClass: [...this.#byClass], latency: [...this.#latency], latencyMicros: this.#latencyMicros, instances: this.#instances,
      failures: [...this.#failures.values()].reduce((sum, count) => sum + count, 0), failuresByReason: Object.fromEntries(this.#failures),
      memoryHighWater: 0, cpuNanos: 0, bytesIn: this.bytesIn, bytesOut: this.bytesOut, limitHits: Object.fromEntries(this.#hits),
    };
  }
}

function add(counts: number[], index: number): void {
  counts[index] = (counts[index] ?? 0) + 1;
}
