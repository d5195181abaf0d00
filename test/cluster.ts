// A real cluster for a test: `copepod` as users run it, in a directory of its own, ended with the test. Also the small tools every
// end-to-end test needs: kubectl, requests by Host, waiting for a condition.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = dirname(import.meta.dirname);
export const COPEPOD = join(ROOT, 'bin', 'copepod');

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export function run(command: string, args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string; readonly timeoutMs?: number } = {}): Result {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...options.env }, timeout: options.timeoutMs ?? 120_000, ...(options.input === undefined ? {} : { input: options.input }) });
  return { code: done.status ?? -1, stdout: done.stdout, stderr: `${done.stderr}${done.error?.message ?? ''}` };
}

/** Tries until it holds; the last thing that was wrong is the error. */
export async function eventually<T>(what: string, look: () => Promise<T> | T, holds: (value: T) => boolean, timeoutMs = 30_000): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    let seen: unknown;
    try {
      const value = await look();
      if (holds(value)) return value;
      seen = value;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > until) throw new Error(`${what} did not come within ${timeoutMs} ms; last seen: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`);
    await sleep(50);
  }
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One GET on a connection of its own. */
export async function get(url: string, host: string): Promise<Answer> {
  const outgoing = request(url, { headers: { host }, agent: false, timeout: 40_000 });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [AsyncIterable<Buffer> & { statusCode: number }];
  let body = '';
  for await (const chunk of incoming) body += chunk.toString();
  return { status: incoming.statusCode, body };
}

export interface Cluster {
  readonly folder: string;
  readonly kubeconfig: string;
  /** Of the gateway, e.g. `http://127.0.0.1:8080/`. */
  readonly gateway: string;
  readonly pid: number;
  kubectl(...args: readonly string[]): Result;
  copepod(...args: readonly string[]): Result;
  /** A GET through the gateway to a Service of the default namespace. */
  service(name: string, path?: string): Promise<Answer>;
  /** Ends it at once, as a crash would, and waits until it is gone. */
  kill(): Promise<void>;
  /** Asks it to end and waits for that; its exit code. */
  stop(): Promise<number>;
}

/** A folder that goes with the test. */
export function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-e2e-'));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  return folder;
}

/** `copepod up` on free ports, ready. */
export async function startCluster(t: TestContext, folder: string, args: readonly string[] = []): Promise<Cluster> {
  const state = join(folder, 'state.json');
  rmSync(state, { force: true });
  const child = spawn(COPEPOD, ['up', '--data-dir', folder, '--api-port', '0', '--gateway-port', '0', '--node-name', 'node-1', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(child);
  t.after(async () => end(child, 'SIGKILL'));
  await eventually('copepod up', () => {
    if (child.exitCode !== null) throw new Error(`copepod up ended with ${child.exitCode}: ${output()}`);
    return existsSync(state);
  }, Boolean, 60_000);
  const { gatewayUrl, kubeconfig, pid } = JSON.parse(readFileSync(state, 'utf8')) as { gatewayUrl: string; kubeconfig: string; pid: number };
  const gateway = gatewayUrl.replace('localhost', '127.0.0.1');
  return {
    folder, kubeconfig, gateway, pid,
    kubectl: (...words) => run('kubectl', ['--kubeconfig', kubeconfig, ...words]),
    copepod: (...words) => run(COPEPOD, words, { env: { KUBECONFIG: kubeconfig } }),
    service: (name, path = '/') => get(`${gateway}${path}`, `${name}.default.localhost`),
    kill: () => end(child, 'SIGKILL').then(() => {}),
    stop: () => end(child, 'SIGTERM'),
  };
}

/** What a child wrote so far. */
export function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      text += chunk;
    });
  }
  return () => text;
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? -1;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
  return child.exitCode ?? -1;
}

/** Why a test that needs kubectl cannot run, or false. */
export const withoutKubectl: string | false = run('kubectl', ['version', '--client']).code === 0 ? false : 'kubectl is not on the PATH';

export const guest = (name: string): string => join(ROOT, 'wasm-runtime', 'guests', 'build', `${name}.wasm`);
export const example = (name: string): string => join(ROOT, 'examples', name, 'build', `${name}.wasm`);
