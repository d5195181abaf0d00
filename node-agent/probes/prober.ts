// Runs one container's probes: startup first, then readiness and liveness, each at its own period.

import type { Probe } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';

export interface ProbeTarget {
  /** Status of one GET, or a rejection when there was no answer. */
  get(path: string, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<number>;
}

export interface ProberOptions {
  readonly clock: Clock;
  readonly target: ProbeTarget;
  readonly startup: Probe | undefined;
  readonly readiness: Probe | undefined;
  readonly liveness: Probe | undefined;
  readonly onReady: (ready: boolean, why: string) => void;
  /** The container must be started anew. Told once. */
  readonly onDead: (why: string) => void;
}

/** The result ends the probing. Without a readiness probe a container is ready as soon as it has started up. */
export function startProber(options: ProberOptions): () => void {
  const stop = new AbortController();
  void run(options, stop.signal);
  return () => stop.abort();
}

async function run(options: ProberOptions, signal: AbortSignal): Promise<void> {
  if (options.startup !== undefined && !(await startedUp(options, options.startup, signal))) return;
  if (signal.aborted) return;
  if (options.readiness === undefined) options.onReady(true, '');
  await Promise.all([
    options.readiness === undefined ? undefined : watch(options, options.readiness, signal, (good, why) => {
      options.onReady(good, why);
      return true;
    }),
    options.liveness === undefined ? undefined : watch(options, options.liveness, signal, (good, why) => {
      if (!good) options.onDead(`Liveness probe failed: ${why}`);
      return good;
    }),
  ]);
}

async function startedUp(options: ProberOptions, probe: Probe, signal: AbortSignal): Promise<boolean> {
  let started = false;
  await watch(options, probe, signal, (good, why) => {
    started = good;
    if (!good) options.onDead(`Startup probe failed: ${why}`);
    return false;
  });
  return started;
}

/** Calls `judge` at each change of verdict, thresholds applied; ends when it returns false. */
async function watch({ clock, target }: ProberOptions, probe: Probe, signal: AbortSignal, judge: (good: boolean, why: string) => boolean): Promise<void> {
  const { initialDelaySeconds = 0, periodSeconds = 10, successThreshold = 1, failureThreshold = 3 } = probe;
  let verdict: boolean | undefined;
  let run_ = { good: true, length: 0 };
  try {
    if (initialDelaySeconds > 0) await clock.sleep(initialDelaySeconds * 1000, signal);
    while (!signal.aborted) {
      const why = await attempt(target, probe);
      const good = why === undefined;
      run_ = good === run_.good ? { good, length: run_.length + 1 } : { good, length: 1 };
      if (verdict !== good && run_.length >= (good ? successThreshold : failureThreshold) && !signal.aborted) {
        verdict = good;
        if (!judge(good, why ?? '')) return;
      }
      await clock.sleep(periodSeconds * 1000, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Undefined when it answered well, else why not. */
async function attempt(target: ProbeTarget, probe: Probe): Promise<string | undefined> {
  const { path = '/', httpHeaders = [] } = probe.httpGet ?? {};
  try {
    const status = await target.get(path, Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value])), (probe.timeoutSeconds ?? 1) * 1000);
    return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
