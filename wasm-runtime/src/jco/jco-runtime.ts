// The second engine: components transpiled by jco and run by V8, each workload in a process of its own. For machines the addon cannot be
// built on; slower and larger than wasmtime in every way, and without 0.3, tunnel and outgoing requests.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RuntimeError } from '../errors.ts';
import type { Component, Exit, Proxy, Runtime, Workload, WorkloadSpec } from '../runtime.ts';
import { type Artifact, layOut, readArtifact, transpileTo } from './artifact.ts';
import { readComponent } from './component-file.ts';
import { LogFile } from './log-file.ts';
import { openJcoProxy } from './proxy.ts';
import { type RunnerProcess, startRunner } from './runner-process.ts';
import { createService, type JcoService } from './service.ts';

/** Where time comes from. */
export interface JcoClock {
  /** RFC 3339 with nanoseconds. */
  readonly now: () => string;
  readonly after: (ms: number, callback: () => void) => () => void;
}

const PAGE = 65_536;
const MAX_MEMORY = 2 ** 30;
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

  function start(spec: WorkloadSpec): Workload {
    const { component, limits: { memoryBytes, requestTimeoutMs } } = spec;
    if (!(component instanceof JcoComponent)) throw new RuntimeError('IncompatibleArtifact', 'the component was loaded by another runtime');
    if (memoryBytes < PAGE || memoryBytes > MAX_MEMORY) throw new RuntimeError('LimitTooSmall', `memory limit of ${memoryBytes} bytes is outside ${PAGE}..=${MAX_MEMORY}`);
    const log = new LogFile(spec.log);
    const runner = async (): Promise<RunnerProcess> => startRunner(spec, await component.layout(folder, memoryBytes), log, clock.now);
    if (component.info.kind === 'command') return command(spec.id, runner(), clock);
    const service = createService({ id: spec.id, requestTimeoutMs, start: runner, after: clock.after });
    services.set(spec.id, service);
    void service.exited.then(() => services.delete(spec.id));
    return service;
  }

  return {
    engine: { name: 'jco', version: JCO_VERSION, compatibility: `jco-${JCO_VERSION}` },
    inspect: async (file) => (await readComponent(file)).info,
    compile: transpileTo,
    load: async (compiled) => new JcoComponent(await readArtifact(compiled)),
    async start(spec) {
      if (workloads.has(spec.id)) throw new RuntimeError('AlreadyExists', `workload ${spec.id} is running already`);
      const workload = start(spec);
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

function command(id: string, runner: Promise<RunnerProcess>, clock: JcoClock): Workload {
  const exited = runner.then((process) => process.ended, (error: unknown): Exit => ({ reason: 'Error', exitCode: 1, message: error instanceof Error ? error.message : String(error) }));
  return {
    id,
    kind: 'command',
    exited,
    onFailure: () => {},
    async probe() {
      throw new RuntimeError('NoEntryPoint', `workload ${id} is a command and answers no requests`);
    },
    stats: () => ({ requests: 0, inFlight: 0, failures: 0, memoryHighWater: 0 }),
    async stop(graceMs) {
      const cancel = clock.after(graceMs, () => void runner.then((process) => process.kill()));
      await exited;
      cancel();
    },
  };
}
