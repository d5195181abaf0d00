// The façade over the wasmtime addon: turns its handles into the contract of `runtime.ts`. Holds every workload it
// started, so that `close` leaves nothing running.

import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { RuntimeError } from '../errors.ts';
import type { Component, Exit, Proxy, ProxyOptions, Runtime, Workload, WorkloadSpec, WorkloadStats } from '../runtime.ts';
import { type Binding, type BindingCommand, type BindingComponent, type BindingEngine, type BindingService, type BindingSpec, unwrap } from './binding.ts';

const STOPPED: Exit = { reason: 'Stopped', exitCode: 137, message: 'stopped by the node' };
const NO_STATS: WorkloadStats = { requests: 0, inFlight: 0, failures: 0, memoryHighWater: 0 };

class LoadedComponent implements Component {
  readonly #handle: BindingComponent;
  readonly info: Component['info'];
  constructor(handle: BindingComponent) {
    this.#handle = handle;
    this.info = Object.freeze(handle.info);
  }
  static handleOf(component: Component): BindingComponent {
    if (component instanceof LoadedComponent) return component.#handle;
    throw new RuntimeError('IncompatibleArtifact', 'the component was loaded by another runtime');
  }
}

/** One runtime over one addon engine. */
export function createWasmtimeRuntime(binding: Binding): Runtime {
  const engine = unwrap(binding.openEngine());
  const workloads = new Map<string, Workload>();
  const proxies = new Set<Proxy>();
  return {
    engine: { name: 'wasmtime', version: '48.0.8', compatibility: engine.compatibility },
    inspect: async (file) => unwrap(await binding.inspect(file)),
    compile: async (file, output) => compile(engine, file, output),
    load: async (compiled) => new LoadedComponent(unwrap(await engine.load(compiled))),
    start: async (spec) => {
      if (workloads.has(spec.id)) throw new RuntimeError('AlreadyExists', `workload ${spec.id} is running already`);
      const workload = await start(engine, spec);
      workloads.set(spec.id, workload);
      void workload.exited.then(() => workloads.delete(spec.id));
      return workload;
    },
    openProxy: async (options) => {
      const proxy = await openProxy(engine, options);
      proxies.add(proxy);
      return proxy;
    },
    close: async () => {
      await Promise.all([...proxies].map((proxy) => proxy.close()));
      await Promise.all([...workloads.values()].map((workload) => workload.stop(0)));
    },
  };
}

async function compile(engine: BindingEngine, file: string, output: string): Promise<void> {
  const partial = `${output}.${randomUUID()}.partial`;
  try {
    const failure = await engine.compile(file, partial);
    if (failure !== null) unwrap<never>(failure);
    await rename(partial, output);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function start(engine: BindingEngine, spec: WorkloadSpec): Promise<Workload> {
  const component = LoadedComponent.handleOf(spec.component);
  const binding: BindingSpec = {
    id: spec.id,
    args: spec.args,
    env: Object.entries(spec.env),
    memoryBytes: spec.limits.memoryBytes,
    requestTimeoutMs: spec.limits.requestTimeoutMs,
    logPath: spec.log.path,
    logMaxBytes: spec.log.maxBytes,
    searchDomains: spec.searchDomains,
    egress: spec.egress,
  };
  if (spec.component.info.kind === 'command') return commandWorkload(spec.id, unwrap(await engine.startCommand(component, binding)));
  let listener: (failure: Exit) => void = () => {};
  const service = unwrap(engine.startService(component, binding, (failure) => listener(failure)));
  return serviceWorkload(spec.id, service, (next) => {
    listener = next;
  });
}

function serviceWorkload(id: string, service: BindingService, listen: (listener: (failure: Exit) => void) => void): Workload {
  const exited = Promise.withResolvers<Exit>();
  return {
    id,
    kind: 'service',
    exited: exited.promise,
    onFailure: listen,
    probe: async ({ path, headers, timeoutMs }) => unwrap(await service.probe(path, Object.entries(headers), timeoutMs)),
    stats: () => service.stats(),
    stop: async (deadlineMs) => {
      await service.stop(deadlineMs);
      exited.resolve(STOPPED);
    },
  };
}

function commandWorkload(id: string, command: BindingCommand): Workload {
  return {
    id,
    kind: 'command',
    exited: command.exited(),
    onFailure: () => {},
    probe: async () => {
      throw new RuntimeError('NoEntryPoint', `workload ${id} is a command and answers no requests`);
    },
    stats: () => NO_STATS,
    stop: async (deadlineMs) => command.stop(deadlineMs),
  };
}

async function openProxy(engine: BindingEngine, options: ProxyOptions): Promise<Proxy> {
  const gateway = options.gateway === undefined ? null : `${options.gateway.host}:${options.gateway.port}`;
  const { tunnel } = options;
  const between = tunnel === undefined ? null : { address: `${tunnel.host}:${tunnel.port}`, certificate: tunnel.certificate, key: tunnel.key, authority: tunnel.authority };
  const proxy = unwrap(await engine.openProxy(gateway, options.nodePortHost, between));
  return {
    gatewayPort: proxy.gatewayPort ?? undefined,
    tunnelPort: proxy.tunnelPort ?? undefined,
    apply: async (table) => unwrap(await proxy.apply(table.services)),
    close: async () => proxy.close(),
  };
}
