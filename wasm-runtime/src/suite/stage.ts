// What the tests of the suite stand on: one runtime with a gateway, components loaded once, workloads that are stopped when their test ends.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type RuntimeErrorCode, isRuntimeError } from '../errors.ts';
import { type Grants, NO_GRANTS } from '../grants.ts';
import { DEFAULT_LIMITS, FRESH, type LimitName, type Limits, type Reuse } from '../limits.ts';
import type { Component, Exit, Proxy, Runtime, ServiceRoute, Workload, WorkloadSpec } from '../runtime.ts';
import { type Answer, type Asked, ask } from './client.ts';

export const MIB = 1024 * 1024;
export const GUESTS = join(dirname(dirname(import.meta.dirname)), 'guests');

/** What an engine can do. Whatever it cannot it must refuse, and the suite sees to that instead. */
export interface Abilities {
  /** WASI 0.3. */
  readonly concurrent: boolean;
  /** Core modules of preview 1 are adapted. */
  readonly preview1: boolean;
  /** Guests call Services, and are called by them, inside the process. */
  readonly chaining: boolean;
  /** Instances are used again and kept warm. */
  readonly reuse: boolean;
  /** Compiled files are signed. */
  readonly signs: boolean;
  /** HTTP/2, request ids and trailers. */
  readonly fullHttp: boolean;
  /** Says in which function a guest trapped. */
  readonly backtraces: boolean;
  /** A guest that waits holds up no other request of its workload. */
  readonly waitsAside: boolean;
  /** Knows that memory was refused, however little the guest held by then. */
  readonly seesRefusedGrowth: boolean;
  /** Bytes one idle service costs at most. */
  readonly idleBytes: number;
  readonly grants: readonly (keyof Grants)[];
  readonly limits: readonly LimitName[];
}

export interface Changes {
  readonly grants?: Partial<Grants>;
  readonly limits?: Partial<Limits>;
  readonly reuse?: Reuse;
  readonly warm?: number;
  readonly accessLog?: boolean;
  readonly logBytes?: number;
}

/** A service that is routed to under its own host name. */
export interface Served {
  readonly workload: Workload;
  readonly spec: WorkloadSpec;
  readonly host: string;
  readonly gateway: number;
  /** What `onFailure` heard. */
  readonly failures: readonly Exit[];
  readonly ask: (path?: string, asked?: Asked) => Promise<Answer>;
  readonly log: () => Promise<string>;
}

export interface Stage {
  readonly abilities: Abilities;
  readonly runtime: Runtime;
  readonly proxy: Proxy;
  readonly gateway: number;
  readonly folder: string;
  readonly load: (guest: string) => Promise<Component>;
  readonly spec: (guest: string, changes?: Changes) => Promise<WorkloadSpec>;
  /** Started, routed to, and stopped when the test ends. */
  readonly serve: (context: TestContext, guest: string, changes?: Changes) => Promise<Served>;
  /** Routes hosts to workloads beside those that are served. */
  readonly route: (routes: readonly ServiceRoute[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

export const guestFile = (name: string): string => join(GUESTS, 'build', `${name}.wasm`);

export const routeTo = (host: string, endpoints: readonly string[], rest: Partial<ServiceRoute> = {}): ServiceRoute => ({
  host: `${host}.default.svc.cluster.local`,
  gatewayHost: `${host}.default.localhost`,
  ports: [{ port: 80, endpoints: endpoints.map((workload) => ({ workload })) }],
  ...rest,
});

/** Waits for something that must come true within ten seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await holds()) return;
    await pause(10);
  }
  assert.fail(`waited 10 s in vain until ${what}`);
}

export const rejectsWith = (code: RuntimeErrorCode, message = /./) => (error: unknown): boolean => {
  assert.ok(isRuntimeError(error), String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

/** Bytes of memory this process holds. */
export async function resident(): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

export async function openStage(runtime: Runtime, abilities: Abilities): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'copepod-runtime-'));
  const proxy = await runtime.openProxy({ gateway: { host: '127.0.0.1', port: 0 }, nodePortHost: '127.0.0.1' });
  const gateway = proxy.gatewayPort ?? 0;
  const loaded = new Map<string, Promise<Component>>();
  const served = new Map<string, ServiceRoute>();
  let others: readonly ServiceRoute[] = [];
  let count = 0;

  const apply = async (): Promise<void> => void (await proxy.apply({ services: [...served.values(), ...others] }));

  async function compileAndLoad(guest: string): Promise<Component> {
    const compiled = join(folder, `${guest.replaceAll('/', '-')}.cwasm`);
    await runtime.compile(guestFile(guest), compiled);
    return runtime.load(compiled);
  }

  const stage: Stage = {
    abilities, runtime, proxy, gateway, folder,
    load(guest) {
      const known = loaded.get(guest) ?? compileAndLoad(guest);
      loaded.set(guest, known);
      return known;
    },
    async spec(guest, { grants = {}, limits = {}, reuse = FRESH, warm = 0, accessLog = false, logBytes = MIB } = {}) {
      count += 1;
      const id = `${guest.replaceAll('/', '-')}-${count}`;
      return {
        id,
        component: await stage.load(guest),
        grants: { ...NO_GRANTS, searchDomains: ['default.svc.cluster.local'], ...grants },
        limits: { ...DEFAULT_LIMITS, memoryBytes: 16 * MIB, requestTimeoutMs: 10_000, ...limits },
        reuse, warm, accessLog,
        log: { path: join(folder, `${id}.log`), maxBytes: logBytes },
      };
    },
    async serve(context, guest, changes = {}) {
      const spec = await stage.spec(guest, changes);
      const workload = await runtime.start(spec);
      const failures: Exit[] = [];
      workload.onFailure((exit) => failures.push(exit));
      served.set(spec.id, routeTo(spec.id, [spec.id]));
      await apply();
      context.after(async () => {
        served.delete(spec.id);
        await apply();
        await workload.stop(0);
      });
      const host = `${spec.id}.default.localhost`;
      return {
        workload, spec, host, gateway, failures,
        ask: (path = '/', asked = {}) => ask(gateway, host, { path, ...asked }),
        log: async () => readFile(spec.log.path, 'utf8').catch(() => ''),
      };
    },
    async route(routes) {
      others = routes;
      await apply();
    },
    async close() {
      await runtime.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return stage;
}
