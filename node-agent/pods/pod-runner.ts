// One pod's life: fetch, start, watch, start again, end. Everything that happens becomes a view, told to `onChange`; nothing here
// writes to the API.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerStateTerminated, Pod } from '@copepod/api/kinds';
import { parseQuantity } from '@copepod/api/meta';
import type { Clock } from '@copepod/client/clock';
import type { Recorder } from '@copepod/client/events';
import type { Transport } from '@copepod/client/rest';
import { type ComponentSource, type Fetched, ImageError } from '../artifacts/index.ts';
import { startProber } from '../probes/index.ts';
import { type Exit, isRuntimeError, type Runtime, type Workload } from '../runtime/index.ts';
import { Backoff } from './backoff.ts';
import type { ContainerView } from './container-view.ts';
import { EnvironmentError, resolveEnvironment } from './environment.ts';

export interface RunnerDependencies {
  readonly runtime: Runtime;
  readonly source: ComponentSource;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly record: Recorder;
  /** Of this pod alone. */
  readonly logFolder: string;
}

/** A memory limit that was left out. */
const DEFAULT_MEMORY_BYTES = 64 * 1024 * 1024;
const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const LOG_BYTES = 10 * 1024 * 1024;
/** Bad ends in a row, with no good answer between them, that take a service out of its routes. */
const BAD_ENDS = 3;

type Ended = { readonly exit: Exit; readonly restart: boolean };

export class PodRunner {
  readonly pod: Pod;
  readonly #deps: RunnerDependencies;
  readonly #onChange: () => void;
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff();
  #view: ContainerView;
  #workload: Workload | undefined;
  #done: Promise<void> = Promise.resolve();
  #logNumber: number;

  constructor(pod: Pod, deps: RunnerDependencies, onChange: () => void) {
    this.pod = pod;
    this.#deps = deps;
    this.#onChange = onChange;
    const before = pod.status?.containerStatuses?.[0];
    this.#logNumber = before?.restartCount ?? 0;
    this.#view = {
      state: { is: 'waiting', reason: 'ContainerCreating', message: '' }, ready: false, started: false,
      restartCount: before?.restartCount ?? 0, lastTerminated: before?.lastState?.terminated, digest: undefined, phase: undefined,
    };
  }

  get view(): ContainerView {
    return this.#view;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** The newest log, or the one before it; undefined when there is none. */
  log(previous: boolean): string | undefined {
    const service = this.#workload?.kind === 'service' || this.#view.state.is === 'waiting';
    if (!previous) return this.#logPath(this.#logNumber);
    if (this.#view.restartCount === 0) return undefined;
    // A service goes on in the same log after one of its instances ended badly.
    return this.#logNumber === 0 && service ? this.#logPath(0) : this.#logPath(Math.max(0, this.#logNumber - 1));
  }

  get live(): boolean {
    return this.#view.phase === undefined && !this.#stop.signal.aborted;
  }

  /** Drains for at most `graceMs`, then ends what is left. Resolves when nothing of it runs any more. */
  async end(graceMs: number): Promise<void> {
    this.#stop.abort();
    await this.#workload?.stop(graceMs);
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const began = this.#deps.clock.monotonic();
      let ended: Ended | undefined;
      try {
        const fetched = await this.#deps.source.fetch(this.#container.image ?? '');
        this.#set({ digest: fetched.digest });
        const lost = this.#lostCommand(fetched);
        ended = lost ?? await this.#live(fetched);
      } catch (error) {
        if (signal.aborted) return;
        this.#failedToStart(error);
        await this.#pause(this.#backoff.next(began, this.#deps.clock.monotonic()));
        continue;
      }
      if (signal.aborted) return;
      if (!(await this.#after(ended, began))) return;
    }
  }

  /** A command that ran when the agent went away is not running any more, whatever its status says. */
  #lostCommand({ component }: Fetched): Ended | undefined {
    const before = this.pod.status?.containerStatuses?.[0];
    const again = this.#view.restartCount > (before?.restartCount ?? 0) || this.#view.state.is === 'running';
    if (component.info.kind !== 'command' || before?.state?.running === undefined || again || this.#view.lastTerminated !== before.lastState?.terminated) return undefined;
    return { exit: { reason: 'Error', exitCode: 137, message: 'the agent ended while it ran' }, restart: true };
  }

  async #live(fetched: Fetched): Promise<Ended> {
    const { runtime, transport } = this.#deps;
    const container = this.#container;
    const env = await resolveEnvironment(this.pod, container, transport);
    const path = this.#logPath(this.#logNumber);
    await mkdir(join(this.#deps.logFolder, container.name), { recursive: true });
    const limit = container.resources?.limits?.['memory'];
    const workload = await runtime.start({
      id: this.pod.metadata.uid ?? '', component: fetched.component, env,
      args: [...(container.command ?? [container.name]), ...(container.args ?? [])],
      limits: { memoryBytes: limit === undefined ? DEFAULT_MEMORY_BYTES : parseQuantity(limit) ?? DEFAULT_MEMORY_BYTES, requestTimeoutMs: requestTimeout(this.pod) },
      log: { path, maxBytes: LOG_BYTES }, ...guestNetwork(this.pod),
    });
    this.#workload = workload;
    if (this.#stop.signal.aborted) await workload.stop(0);
    this.#set({ state: { is: 'running', startedAt: this.#time() }, started: container.startupProbe === undefined });
    const ended = workload.kind === 'command' ? this.#liveCommand(workload) : this.#liveService(workload);
    this.#deps.record(this.pod, 'Normal', 'Started', `Started container ${container.name}`);
    try {
      return await ended;
    } finally {
      this.#workload = undefined;
      this.#set({ ready: false });
      // Whatever ended it, nothing of this start may still answer when the next one begins.
      await workload.stop(0);
    }
  }

  async #liveCommand(workload: Workload): Promise<Ended> {
    this.#set({ ready: true, started: true });
    return { exit: await workload.exited, restart: true };
  }

  async #liveService(workload: Workload): Promise<Ended> {
    const { clock } = this.#deps;
    const container = this.#container;
    const over = Promise.withResolvers<Ended>();
    let bad = 0;
    let lastGood = 0;
    workload.onFailure((exit) => {
      const { requests, failures, inFlight } = workload.stats();
      const good = requests - failures - inFlight;
      bad = good > lastGood ? 1 : bad + 1;
      if (good > lastGood) this.#backoff.reset();
      lastGood = good;
      if (bad >= BAD_ENDS) {
        over.resolve({ exit, restart: true });
        return;
      }
      // The next request gets a fresh instance: that is this container's restart.
      this.#set({ restartCount: this.#view.restartCount + 1, lastTerminated: this.#terminated(exit) });
    });
    void workload.exited.then((exit) => over.resolve({ exit, restart: false }));
    const stopProbing = startProber({
      clock, startup: container.startupProbe, readiness: container.readinessProbe, liveness: container.livenessProbe,
      target: { get: (path, headers, timeoutMs) => workload.probe({ path, headers, timeoutMs }) },
      onReady: (ready, why) => {
        this.#set({ ready, started: true });
        if (!ready) this.#deps.record(this.pod, 'Warning', 'Unhealthy', `Readiness probe failed: ${why}`);
      },
      onDead: (why) => {
        this.#deps.record(this.pod, 'Warning', 'Unhealthy', why);
        over.resolve({ exit: { reason: 'Error', exitCode: 137, message: why }, restart: true });
      },
    });
    try {
      return await over.promise;
    } finally {
      stopProbing();
    }
  }

  /** What an end means by the restart policy; false when the pod has come to its own end. */
  async #after({ exit, restart }: Ended, began: number): Promise<boolean> {
    const policy = this.pod.spec?.restartPolicy ?? 'Always';
    const terminated = this.#terminated(exit);
    const again = restart && (policy === 'Always' || (policy === 'OnFailure' && exit.exitCode !== 0));
    if (!again) {
      this.#set({ state: { is: 'terminated', terminated }, ready: false, phase: exit.exitCode === 0 ? 'Succeeded' : 'Failed' });
      return false;
    }
    this.#logNumber += 1;
    const delay = this.#backoff.next(began, this.#deps.clock.monotonic());
    const message = `back-off ${delay / 1000}s restarting failed container=${this.#container.name} (${exit.reason}: ${exit.message})`;
    this.#set({ state: { is: 'waiting', reason: 'CrashLoopBackOff', message }, ready: false, started: false, restartCount: this.#view.restartCount + 1, lastTerminated: terminated });
    this.#deps.record(this.pod, 'Warning', 'BackOff', `Back-off restarting failed container ${this.#container.name}: ${exit.reason}: ${exit.message}`);
    await this.#pause(delay);
    return true;
  }

  #failedToStart(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const reason = error instanceof ImageError ? error.code : error instanceof EnvironmentError ? 'CreateContainerConfigError' : isRuntimeError(error) ? error.code : 'CreateContainerError';
    this.#set({ state: { is: 'waiting', reason, message }, ready: false });
    this.#deps.record(this.pod, 'Warning', 'Failed', `Error: ${reason}: ${message}`);
  }

  #terminated(exit: Exit): ContainerStateTerminated {
    const startedAt = this.#view.state.is === 'running' ? this.#view.state.startedAt : undefined;
    return { reason: exit.reason, exitCode: exit.exitCode, ...(exit.message === '' ? {} : { message: exit.message }), ...(startedAt === undefined ? {} : { startedAt }), finishedAt: this.#time(), containerID: `wasm://${this.pod.metadata.uid}` };
  }

  get #container(): NonNullable<Pod['spec']>['containers'][number] {
    const container = this.pod.spec?.containers[0];
    if (container === undefined) throw new TypeError(`pod ${this.pod.metadata.name} has no container`);
    return container;
  }

  #logPath(number: number): string {
    return join(this.#deps.logFolder, this.#container.name, `${number}.log`);
  }

  #time(): string {
    return new Date(this.#deps.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }

  #set(change: Partial<ContainerView>): void {
    this.#view = { ...this.#view, ...change };
    this.#onChange();
  }

  async #pause(ms: number): Promise<void> {
    await this.#deps.clock.sleep(ms, this.#stop.signal).catch(() => {});
  }
}

function requestTimeout(pod: Pod): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(pod.metadata.annotations?.['copepod.dev/request-timeout'] ?? '') ?? [];
  if (amount === undefined) return DEFAULT_REQUEST_TIMEOUT_MS;
  return Number(amount) * (unit === 'ms' ? 1 : unit === 's' ? 1000 : 60_000);
}

/** Names a guest may use for Services, as a Kubernetes pod would, and what else it may reach. */
function guestNetwork(pod: Pod): { readonly searchDomains: readonly string[]; readonly egress: readonly string[] } {
  const egress = (pod.metadata.annotations?.['copepod.dev/egress'] ?? '').split(',').map((entry) => entry.trim()).filter((entry) => entry !== '');
  return { searchDomains: [`${pod.metadata.namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'], egress };
}
