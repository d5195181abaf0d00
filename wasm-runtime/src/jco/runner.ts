// The process one workload lives in: instantiates the transpiled component and runs it, or answers requests with an instance each.
// Speaks with its parent over the IPC channel alone; standard output and error belong to the guest.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as http from '@bytecodealliance/preview2-shim/http';
import { WASIShim } from '@bytecodealliance/preview2-shim/instantiation';

export interface RunnerOrder {
  readonly folder: string;
  readonly kind: 'service' | 'command';
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly fineClocks: boolean;
}

export type RunnerReport =
  | { readonly is: 'listening'; readonly port: number }
  | { readonly is: 'ended'; readonly reason: 'Completed' | 'Error' | 'Trap' | 'OOMKilled'; readonly message: string };

interface Exports {
  readonly run?: { readonly run: () => void };
  readonly incomingHandler?: { readonly handle: (request: unknown, out: unknown) => void };
}

type Instantiate = (core: (name: string) => WebAssembly.Module, imports: object, make: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance) => Exports;

interface Server {
  listen(port: number, host: string): void;
  address(): { readonly port: number };
}

/** The shim has it and its types do not say so. */
const { HTTPServer } = http as unknown as { HTTPServer: new (handler: { handle: (request: unknown, out: unknown) => void }) => Server };

type Time = bigint | { readonly seconds: bigint; readonly nanoseconds: number };

interface Clock {
  now: () => Time;
  resolution: () => Time;
}

const MILLISECOND = 1_000_000n;

interface ResponseOutparam {
  set(...args: readonly unknown[]): void;
}

const order = JSON.parse(process.argv[2] ?? '{}') as RunnerOrder;
const { instantiate } = (await import(pathToFileURL(join(order.folder, 'component.js')).href)) as { instantiate: Instantiate };
const modules = new Map<string, WebAssembly.Module>();
let memories: readonly WebAssembly.Memory[] = [];

const shim = new WASIShim({ sandbox: { preopens: {}, env: { ...order.env }, args: [...order.args], enableNetwork: false } });
const imports = shim.getImportObject() as unknown as Readonly<Record<string, Clock & { ResponseOutparam?: ResponseOutparam; handle?: () => void }>>;
let answered = false;
const outparam = imports['wasi:http/types']?.ResponseOutparam;
if (outparam !== undefined) {
  const set = outparam.set.bind(outparam);
  outparam.set = (...args) => {
    answered = true;
    set(...args);
  };
}

/** A guest sees milliseconds unless it was granted more. */
function coarsen(clock: Clock | undefined): void {
  if (clock === undefined) return;
  const now = clock.now.bind(clock);
  clock.now = () => {
    const time = now();
    return typeof time === 'bigint' ? time - (time % MILLISECOND) : { ...time, nanoseconds: time.nanoseconds - (time.nanoseconds % Number(MILLISECOND)) };
  };
  clock.resolution = () => (typeof now() === 'bigint' ? MILLISECOND : { seconds: 0n, nanoseconds: Number(MILLISECOND) });
}

if (!order.fineClocks) {
  coarsen(imports['wasi:clocks/monotonic-clock']);
  coarsen(imports['wasi:clocks/wall-clock']);
}

// The shim reaches any host, whatever its sandbox says; nothing is granted here.
const outgoing = imports['wasi:http/outgoing-handler'];
if (outgoing !== undefined) {
  outgoing.handle = () => {
    throw Object.assign(new Error('requests to the outside are not granted'), { payload: { tag: 'HTTP-request-denied' } });
  };
}

function coreModule(name: string): WebAssembly.Module {
  const known = modules.get(name) ?? new WebAssembly.Module(readFileSync(join(order.folder, name)));
  modules.set(name, known);
  return known;
}

function fresh(): Exports {
  memories = [];
  return instantiate(coreModule, imports, (module, given) => {
    const instance = new WebAssembly.Instance(module, given);
    memories = [...memories, ...Object.values(instance.exports).filter((value) => value instanceof WebAssembly.Memory)];
    return instance;
  });
}

function report(message: RunnerReport): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
}

/** What allocators ask for at a time, at most: 16 pages. */
const GROWTH_STEP = 16 * 65_536;

/** V8 does not say why a guest trapped: one whose memory cannot grow by a usual step any more is taken to have run out of it. */
function endOf(error: unknown): RunnerReport {
  if (!(error instanceof WebAssembly.RuntimeError)) return { is: 'ended', reason: 'Error', message: error instanceof Error ? error.message : 'the guest returned an error' };
  const used = memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  const full = used + GROWTH_STEP > order.memoryBytes;
  return full ? { is: 'ended', reason: 'OOMKilled', message: `memory limit of ${order.memoryBytes} bytes reached: the guest held ${used}` } : { is: 'ended', reason: 'Trap', message: error.message };
}

async function runCommand(): Promise<void> {
  let ended: RunnerReport = { is: 'ended', reason: 'Completed', message: '' };
  try {
    fresh().run?.run();
  } catch (error) {
    ended = endOf(error);
  }
  await report(ended);
  process.exit();
}

function serve(): void {
  const server = new HTTPServer({
    handle(request, out) {
      // One guest's bad end is this process's: the parent starts another for the requests to come.
      const fail = (message: RunnerReport): void => void report(message).then(() => process.exit(1));
      answered = false;
      try {
        fresh().incomingHandler?.handle(request, out);
        if (!answered) fail({ is: 'ended', reason: 'Error', message: 'the guest returned without an answer' });
      } catch (error) {
        fail(endOf(error));
      }
    },
  });
  server.listen(0, '127.0.0.1');
  void report({ is: 'listening', port: server.address().port });
}

process.on('disconnect', () => process.exit());
if (order.kind === 'command') await runCommand();
else serve();
