// One pod's life: fetch, start, watch, start again, end. Everything that happens becomes a view, told to `onChange`; nothing here
// writes to the API.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerStateTerminated, Pod } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import type { Recorder } from '@copepod/client/events';
import type { Transport } from '@copepod/client/rest';
import { type ComponentSource, type Fetched, ImageError } from '../artifacts/index.ts';
import { startProber } from '../probes/index.ts';
import { type Exit, isRuntimeError, type Runtime, type Workload, type WorkloadStats } from '../runtime/index.ts';
import { Backoff } from './backoff.ts';
import { ConfigError } from './config-error.ts';
import type { ContainerView } from './container-view.ts';
import { resolveEnvironment } from './environment.ts';
import { type KeptData, readKeptData } from './kept-data.ts';
import { prepareVolumes } from './volumes.ts';
import { guestSettings, workloadSpec } from './workload-spec.ts';

export interface RunnerDependencies {
  readonly runtime: Runtime;
  readonly source: ComponentSource;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly record: Recorder;
  /** Whether pods may mount directories of this machine. */
  readonly allowHostPaths: boolean;
}

/** Where one pod has its place on the node. */
export interface PodPlace {
  readonly podIP: string;
  readonly logFolder: string;
  readonly volumeFolder: string;
  /** Of its namespace: what is kept there outlives the pod. */
  readonly bucketFolder: string;
}

const LOG_BYTES = 10 * 1024 * 1024;
/** Bad ends in a row, with no good answer between them, that take a service out of its routes. */
const BAD_ENDS = 3;

type Ended = { readonly exit: Exit; readonly restart: boolean };

export class PodRunner {
  readonly pod: Pod;
  readonly #deps: RunnerDependencies;
  readonly #place: PodPlace;
  readonly #onChange: () => void;
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff();
  #view: ContainerView;
  #workload: Workload | undefined;
  #done: Promise<void> = Promise.resolve();
  #logNumber: number;

  constructor(pod: Pod, place: PodPlace, deps: RunnerDependencies, onChange: () => void) {
    this.pod = pod;
    this.#place = place;
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

  /** What its container has done since it was started last; undefined while it is not running. */
  get stats(): WorkloadStats | undefined {
    return this.#workload?.stats();
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
      let fetched: Fetched | undefined;
      try {
        fetched = await this.#fetch();
        this.#set({ digest: fetched.digest });
        const lost = this.#lostCommand(fetched);
        ended = lost ?? await this.#live(fetched);
      } catch (error) {
        if (signal.aborted) return;
        this.#failedToStart(error);
        await this.#pause(this.#backoff.next(began, this.#deps.clock.monotonic()));
        continue;
      } finally {
        fetched?.release();
      }
      if (signal.aborted) return;
      if (!(await this.#after(ended, began))) return;
    }
  }

  /** Rejects as soon as the pod is to go: what it waits for may be a compiler that takes minutes. */
  async #fetch(): Promise<Fetched> {
    const { signal } = this.#stop;
    const fetching = this.#deps.source.fetch(this.#container.image ?? '', (step) => this.#compiling(step));
    const gone = Promise.withResolvers<never>();
    const leave = (): void => gone.reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([fetching, gone.promise]);
    } catch (error) {
      // When it comes after all, nobody uses it.
      fetching.then(({ release }) => release(), () => {});
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
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
    const { runtime, transport, allowHostPaths } = this.#deps;
    const { podIP, logFolder, volumeFolder, bucketFolder } = this.#place;
    const { pod } = this;
    const container = this.#container;
    const { component } = fetched;
    const kept = readKeptData(transport, pod.metadata.namespace);
    const request = {
      pod, container, kind: component.info.kind, podIP, bucketFolder,
      env: await resolveEnvironment(pod, container, kept), config: await this.#config(kept),
      mounts: await prepareVolumes(pod, container, { folder: volumeFolder, kept, allowHostPaths }),
    };
    await mkdir(join(logFolder, container.name), { recursive: true });
    const workload = await runtime.start({ id: pod.metadata.uid ?? '', component, log: { path: this.#logPath(this.#logNumber), maxBytes: LOG_BYTES }, ...workloadSpec(request) });
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

  /** The ConfigMap the pod names for `wasi:config`. */
  async #config(kept: KeptData): Promise<Readonly<Record<string, string>>> {
    const { config } = guestSettings(this.pod);
    if (config === undefined) return {};
    const found = await kept.text('ConfigMap', config);
    if (found === undefined) throw new ConfigError(`ConfigMap "${config}" not found`);
    return found;
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
      const good = goodAnswers(workload.stats());
      bad = good > lastGood ? 1 : bad + 1;
      if (good > lastGood) this.#backoff.reset();
      lastGood = Math.max(lastGood, good);
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

  #compiling(step: string): void {
    const message = step === 'waiting' ? 'waiting until another component is compiled' : `its component is compiled for this node: ${step}`;
    if (!this.#stop.signal.aborted) this.#set({ state: { is: 'waiting', reason: 'Compiling', message }, ready: false });
  }

  #failedToStart(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const reason = error instanceof ImageError ? error.code : error instanceof ConfigError ? 'CreateContainerConfigError' : isRuntimeError(error) ? error.code : 'CreateContainerError';
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
    return join(this.#place.logFolder, this.#container.name, `${number}.log`);
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

/**
 * Requests that ended well: never too many, since the one that just failed may still be in flight. One instance may take several requests with it and counts as
 * one failure, so what was answered with an error is no good answer either.
 */
function goodAnswers({ requests, failures, inFlight, byClass }: WorkloadStats): number {
  const answered = byClass.slice(0, 4).reduce((sum, count) => sum + count, 0);
  return Math.min(requests - failures - inFlight, answered);
}
