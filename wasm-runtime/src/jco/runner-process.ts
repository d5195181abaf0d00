// Starts and ends the process of one workload, and hears from it how it ended.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Exit, WorkloadSpec } from '../runtime.ts';
import type { LogFile } from './log-file.ts';
import type { RunnerOrder, RunnerReport } from './runner.ts';

export interface RunnerProcess {
  /** Of a service: where it listens; rejects when it ends before. */
  readonly port: Promise<number>;
  readonly ended: Promise<Exit>;
  kill(): void;
}

const CODES = { Completed: 0, Error: 1, Trap: 134, OOMKilled: 137 } as const;

/** `now`: RFC 3339 with nanoseconds, for the log. `folder` holds what `layOut` wrote. */
export function startRunner(spec: WorkloadSpec, folder: string, log: LogFile, now: () => string): RunnerProcess {
  const { grants, limits } = spec;
  const order: RunnerOrder = { folder, kind: spec.component.info.kind, args: grants.args, env: grants.env, memoryBytes: limits.memoryBytes, fineClocks: grants.clocks === 'nanosecond' };
  const child: ChildProcess = fork(join(import.meta.dirname, 'runner.ts'), [JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'pipe', 'ipc'], env: {}, execArgv: ['--no-warnings'] });
  // A guest may end without reading what it is given.
  child.stdin?.on('error', () => {});
  child.stdin?.end(grants.stdin);
  const port = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<Exit>();
  let said: Exit | undefined;
  let killed = false;
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8');
    child[stream]?.on('data', (text: string) => log.write(stream, text, now()));
  }
  child.on('message', (message: RunnerReport) => {
    if (message.is === 'listening') port.resolve(message.port);
    else said = { reason: message.reason, exitCode: CODES[message.reason], message: message.message };
  });
  child.on('error', (error) => {
    said = { reason: 'Error', exitCode: 1, message: `the runner cannot be started: ${error.message}` };
  });
  // After `close` everything the guest wrote has been read.
  child.on('close', (code, signal) => {
    log.end(now());
    const silent: Exit = code === 0 ? { reason: 'Completed', exitCode: 0, message: '' } : { reason: 'Error', exitCode: code ?? 1, message: `exited with code ${code ?? 1}` };
    const exit: Exit = said ?? (killed && signal !== null ? { reason: 'Stopped', exitCode: 137, message: 'stopped by the node' } : silent);
    ended.resolve(exit);
    port.reject(new Error(exit.message));
  });
  port.promise.catch(() => {});
  return {
    port: port.promise,
    ended: ended.promise,
    kill() {
      killed = true;
      child.kill('SIGKILL');
    },
  };
}
