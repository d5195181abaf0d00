// The façade over the wasmtime addon: turns its handles into the contract of `runtime.ts`. Holds every workload it
// started, so that `close` leaves nothing running.

import { RuntimeError } from '../errors.ts';
import type { Component, Exit, Proxy, ProxyOptions, Runtime, Workload, WorkloadSpec } from '../runtime.ts';
import { type Binding, type BindingCommand, type BindingComponent, type BindingEngine, type BindingOptions, type BindingService, type BindingSpec, unwrap } from './binding.ts';
import { type CompilerLimits, createCompiler } from './compiler.ts';

const STOPPED: Exit = { reason: 'Stopped', exitCode: 137, message: 'stopped by the node' };

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

export interface WasmtimeOptions {
  readonly binding: Binding;
  /** Where the addon and the program around its compiler are. */
  readonly addon: string;
  readonly compiler: string;
  readonly compilerLimits: CompilerLimits;
  readonly engine: BindingOptions;
}

/** One runtime over one addon engine. */
export function createWasmtimeRuntime({ binding, addon, compiler: program, compilerLimits, engine: options }: WasmtimeOptions): Runtime {
  const engine = unwrap(binding.openEngine(options));
  const compiler = createCompiler({ program, addon, engine, limits: compilerLimits });
  const workloads = new Map<string, Workload>();
  const proxies = new Set<Proxy>();
  return {
    engine: { name: options.interpreter ? 'pulley' : 'wasmtime', version: '48.0.8', compatibility: engine.compatibility, capacity: engine.capacity, publicKey: engine.publicKey },
    inspect: async (file) => unwrap(await binding.inspect(file)),
    compile: async (file, output, onProgress) => compiler.compile(file, output, onProgress),
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
      await compiler.close();
      await Promise.all([...proxies].map((proxy) => proxy.close()));
      await Promise.all([...workloads.values()].map((workload) => workload.stop(0)));
    },
  };
}

async function start(engine: BindingEngine, spec: WorkloadSpec): Promise<Workload> {
  const component = LoadedComponent.handleOf(spec.component);
  const binding = bindingSpec(spec);
  if (spec.component.info.kind === 'command') return commandWorkload(spec.id, unwrap(await engine.startCommand(component, binding)));
  let listener: (failure: Exit) => void = () => {};
  const service = unwrap(engine.startService(component, binding, (failure) => listener(failure)));
  return serviceWorkload(spec.id, service, (next) => {
    listener = next;
  });
}

function bindingSpec({ id, grants: { env, config, clocks, ...grants }, limits, reuse, warm, accessLog, log }: WorkloadSpec): BindingSpec {
  return {
    id, limits, warm, accessLog,
    grants: { ...grants, env: Object.entries(env), config: Object.entries(config), fineClocks: clocks === 'nanosecond' },
    reuse: reuse.is === 'pooled' ? reuse : undefined,
    logPath: log.path,
    logMaxBytes: log.maxBytes,
  };
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
    stats: () => command.stats(),
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
