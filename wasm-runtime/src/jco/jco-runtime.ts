// The second engine: components transpiled by jco and run by V8, each workload in a process of its own. For machines the addon cannot be
// built on; slower and larger than wasmtime in every way, and without 0.3, tunnel and outgoing requests.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RuntimeError } from '../errors.ts';
import type { Component, Exit, Proxy, Runtime, Workload, WorkloadSpec } from '../runtime.ts';
import { refuseWhatIsNotHeld } from './abilities.ts';
import { type Artifact, layOut, readArtifact, transpileTo } from './artifact.ts';
import { readComponent } from './component-file.ts';
import { Counters } from './counters.ts';
import { LogFile } from './log-file.ts';
import { openJcoProxy } from './proxy.ts';
import { type RunnerProcess, startRunner } from './runner-process.ts';
import { createService, type JcoService } from './service.ts';

/** Where time comes from. */
export interface JcoClock {
  /** RFC 3339 with nanoseconds. */
  readonly now: () => string;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
  readonly after: (ms: number, callback: () => void) => () => void;
}

const JCO_VERSION = '1.34';

class JcoComponent implements Component {
  readonly #artifact: Artifact;
  readonly #layouts = new Map<number, Promise<string>>();

  constructor(artifact: Artifact) {
    this.#artifact = artifact;
  }

  get info(): Component['info'] {
    return this.#artifact.info;
  }

  /** The folder a runner reads, made once for each memory limit. */
  layout(root: () => Promise<string>, memoryBytes: number): Promise<string> {
    const known = this.#layouts.get(memoryBytes);
    if (known !== undefined) return known;
    const made = root().then(async (folder) => {
      const place = await mkdtemp(join(folder, 'component-'));
      await layOut(this.#artifact, place, memoryBytes);
      return place;
    });
    this.#layouts.set(memoryBytes, made);
    return made;
  }
}

export function createJcoRuntime(clock: JcoClock): Runtime {
  const workloads = new Map<string, Workload>();
  const services = new Map<string, JcoService>();
  const proxies = new Set<Proxy>();
  let root: Promise<string> | undefined;
  const folder = (): Promise<string> => (root ??= mkdtemp(join(tmpdir(), 'copepod-jco-')));

  async function start(spec: WorkloadSpec): Promise<Workload> {
    const { component, limits } = spec;
    if (!(component instanceof JcoComponent)) throw new RuntimeError('IncompatibleArtifact', 'the component was loaded by another runtime');
    refuseWhatIsNotHeld(spec);
    const layout = await component.layout(folder, limits.memoryBytes);
    const counters = new Counters();
    const log = new LogFile(spec.log, limits.logBytesPerSecond, clock.monotonic, () => counters.hit('log'));
    const runner = async (): Promise<RunnerProcess> => startRunner(spec, layout, log, clock.now);
    if (component.info.kind === 'command') return command(spec.id, runner(), counters, clock);
    const service = createService({
      id: spec.id, limits, counters, start: runner, after: clock.after, monotonic: clock.monotonic,
      access: spec.accessLog ? (line) => log.write('stdout', `access ${line}\n`, clock.now()) : undefined,
    });
    services.set(spec.id, service);
    void service.exited.then(() => services.delete(spec.id));
    return service;
  }

  return {
    engine: { name: 'jco', version: JCO_VERSION, compatibility: `jco-${JCO_VERSION}`, capacity: undefined, publicKey: undefined },
    inspect: async (file) => (await readComponent(file)).info,
    async compile(file, output, onProgress = () => {}) {
      onProgress('compiling');
      await transpileTo(file, output);
    },
    load: async (compiled) => new JcoComponent(await readArtifact(compiled)),
    async start(spec) {
      if (workloads.has(spec.id)) throw new RuntimeError('AlreadyExists', `workload ${spec.id} is running already`);
      const workload = await start(spec);
      workloads.set(spec.id, workload);
      void workload.exited.then(() => workloads.delete(spec.id));
      return workload;
    },
    async openProxy(options) {
      const proxy = await openJcoProxy(options, services);
      proxies.add(proxy);
      return proxy;
    },
    async close() {
      await Promise.all([...workloads.values()].map((workload) => workload.stop(0)));
      await Promise.all([...proxies].map((proxy) => proxy.close()));
      if (root !== undefined) await rm(await root, { recursive: true, force: true });
    },
  };
}

function command(id: string, runner: Promise<RunnerProcess>, counters: Counters, clock: JcoClock): Workload {
  counters.began();
  counters.instance();
  counters.inFlight = 1;
  const exited = runner.then((process) => process.ended, (error: unknown): Exit => ({ reason: 'Error', exitCode: 1, message: error instanceof Error ? error.message : String(error) }));
  void exited.then(({ reason }) => {
    counters.inFlight = 0;
    if (reason !== 'Completed' && reason !== 'Stopped') counters.failed(reason);
  });
  return {
    id,
    kind: 'command',
    exited,
    onFailure: () => {},
    async probe() {
      throw new RuntimeError('NoEntryPoint', `workload ${id} is a command and answers no requests`);
    },
    stats: () => counters.read(),
    async stop(graceMs) {
      const cancel = clock.after(graceMs, () => void runner.then((process) => process.kill()));
      await exited;
      cancel();
    },
  };
}
