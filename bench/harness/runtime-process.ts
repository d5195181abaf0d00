// A process that is the runtime and nothing more: it runs what its argument asks for, says on which port it answers, and does so until it is killed.

import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Component, DEFAULT_LIMITS, FRESH, NO_GRANTS, openRuntime, type Reuse } from '@copepod/runtime';

export interface RuntimeRequest {
  /** Compiled components are kept here. */
  readonly folder: string;
  /** The first is also what answers to `127.0.0.1`; the others answer to `<name>.localhost`. */
  readonly services: readonly { readonly name: string; readonly file: string; readonly reuse?: Reuse; readonly mayCallLoopback?: boolean }[];
  readonly commands?: readonly { readonly name: string; readonly file: string }[];
}

// The same in every run, so that a component is compiled once. What it signs is read by this process alone.
const SEED = Buffer.alloc(32, 'bench');

const { folder, services, commands = [] } = JSON.parse(process.argv[2] ?? '') as RuntimeRequest;
const runtime = openRuntime({ engine: 'wasmtime', signingSeed: SEED });
const logs = mkdtempSync(join(tmpdir(), 'copepod-bench-logs-'));

async function load(file: string): Promise<Component> {
  const compiled = join(folder, runtime.engine.compatibility, `${basename(file)}-${createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16)}.cwasm`);
  mkdirSync(join(compiled, '..'), { recursive: true });
  if (!existsSync(compiled)) await runtime.compile(file, compiled);
  return runtime.load(compiled);
}

const common = { limits: DEFAULT_LIMITS, warm: 0, accessLog: false };
const log = (name: string): { path: string; maxBytes: number } => ({ path: join(logs, `${name}.log`), maxBytes: 10 * 2 ** 20 });

const proxy = await runtime.openProxy({ gateway: { host: '127.0.0.1', port: 0 }, nodePortHost: '127.0.0.1' });
for (const { name, file, reuse = FRESH, mayCallLoopback = false } of services) {
  const grants = { ...NO_GRANTS, searchDomains: ['bench.svc.cluster.local'], egress: mayCallLoopback ? ['127.0.0.1:*'] : [] };
  const workload = await runtime.start({ ...common, id: name, component: await load(file), grants, reuse, log: log(name) });
  workload.onFailure(({ reason, message }) => void process.stderr.write(`bench: ${name}: ${reason}: ${message}\n`));
}
for (const { name, file } of commands) {
  const workload = await runtime.start({ ...common, id: name, component: await load(file), grants: NO_GRANTS, reuse: FRESH, log: log(name) });
  void workload.exited.then(({ reason, message }) => void process.stderr.write(`bench: ${name} ended: ${reason}: ${message}\n`));
}
await proxy.apply({
  services: services.map(({ name }, index) => ({
    host: `${name}.bench.svc.cluster.local`, gatewayHost: index === 0 ? '127.0.0.1' : `${name}.localhost`, ports: [{ port: 80, endpoints: [{ workload: name }] }],
  })),
});
process.stdout.write(`${proxy.gatewayPort}\n`);
// The engine's threads hold no Node process; this does.
setInterval(() => {}, 2 ** 30);
