// A service on V8: a process that is started at the first request and answers each with an instance of its own. A guest that ends badly
// takes its process with it; the next request finds a new one.

import { IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { RuntimeError, type RuntimeErrorCode } from '../errors.ts';
import type { Exit, ProbeRequest, Workload, WorkloadStats } from '../runtime.ts';
import type { RunnerProcess } from './runner-process.ts';

export interface ServiceOptions {
  readonly id: string;
  readonly requestTimeoutMs: number;
  readonly start: () => Promise<RunnerProcess>;
  /** Calls back after so many milliseconds; the result cancels. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

export interface JcoService extends Workload {
  /** False when it takes no more requests: nothing of this one was consumed. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
}

const STOPPED: Exit = { reason: 'Stopped', exitCode: 137, message: 'stopped by the node' };
const STATUS: Readonly<Partial<Record<Exit['reason'], number>>> = { DeadlineExceeded: 504, Stopped: 503 };

export function createService(options: ServiceOptions): JcoService {
  const exited = Promise.withResolvers<Exit>();
  let listener: (failure: Exit) => void = () => {};
  let runner: Promise<RunnerProcess> | undefined;
  let stopping = false;
  let idle: (() => void) | undefined;
  const counts = { requests: 0, inFlight: 0, failures: 0 };

  function current(): Promise<RunnerProcess> {
    if (runner !== undefined) return runner;
    const started = options.start();
    runner = started;
    void started.then((process) => process.ended).then(() => {
      if (runner === started) runner = undefined;
    });
    return started;
  }

  interface Asked {
    readonly method: string;
    readonly path: string;
    readonly headers: NodeJS.Dict<string | string[]>;
    readonly body: IncomingMessage | undefined;
    readonly timeoutMs: number;
  }

  /** The response's head, or how the instance ended instead. `done` is called when the body is over. */
  async function ask(asked: Asked, done: () => void): Promise<IncomingMessage | Exit> {
    const process = await current();
    const port = await process.port.catch(() => undefined);
    if (port === undefined) {
      done();
      return process.ended;
    }
    let late = false;
    const cancel = options.after(asked.timeoutMs, () => {
      late = true;
      process.kill();
    });
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        done();
      };
      const request = httpRequest({ host: '127.0.0.1', port, method: asked.method, path: asked.path, headers: asked.headers, agent: false }, (response) => {
        response.on('close', finish);
        resolve(response);
      });
      request.on('error', () => {
        finish();
        // The connection may break before the process is known to have ended.
        void process.ended.then((exit) => resolve(late ? { reason: 'DeadlineExceeded', exitCode: 124, message: `request took longer than ${asked.timeoutMs} ms` } : stopping ? STOPPED : exit));
      });
      if (asked.body === undefined) request.end();
      else asked.body.pipe(request);
    });
  }

  function admit(): () => void {
    counts.requests += 1;
    counts.inFlight += 1;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      counts.inFlight -= 1;
      if (counts.inFlight === 0) idle?.();
    };
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse, done: () => void): Promise<void> {
    const result = await ask({ method: incoming.method ?? 'GET', path: incoming.url ?? '/', headers: incoming.headers, body: incoming, timeoutMs: options.requestTimeoutMs }, done);
    if (result instanceof IncomingMessage) {
      outgoing.writeHead(result.statusCode ?? 502, result.headers);
      result.pipe(outgoing);
      result.on('error', () => outgoing.destroy());
      return;
    }
    if (result.reason !== 'Stopped') {
      counts.failures += 1;
      listener(result);
    }
    outgoing.writeHead(STATUS[result.reason] ?? 502, { 'content-type': 'text/plain; charset=utf-8' });
    outgoing.end(`${result.reason}: ${result.message}\n`);
  }

  return {
    id: options.id,
    kind: 'service',
    exited: exited.promise,
    onFailure(next) {
      listener = next;
    },
    handle(incoming, outgoing) {
      if (stopping) return false;
      void answer(incoming, outgoing, admit());
      return true;
    },
    async probe({ path, headers, timeoutMs }: ProbeRequest) {
      const result = await ask({ method: 'GET', path, headers: { host: 'probe.local', ...headers }, body: undefined, timeoutMs }, admit());
      if (result instanceof IncomingMessage) {
        result.resume();
        return result.statusCode ?? 0;
      }
      const code: RuntimeErrorCode = result.reason === 'Completed' || result.reason === 'Error' ? 'NoResponse' : result.reason;
      throw new RuntimeError(code, result.reason === 'DeadlineExceeded' ? `no answer within ${timeoutMs} ms` : result.message);
    },
    stats: (): WorkloadStats => ({ ...counts, memoryHighWater: 0 }),
    async stop(deadlineMs) {
      stopping = true;
      if (counts.inFlight > 0 && deadlineMs > 0) {
        await new Promise<void>((resolve) => {
          const cancel = options.after(deadlineMs, resolve);
          idle = () => {
            cancel();
            resolve();
          };
        });
      }
      const process = await runner;
      process?.kill();
      await process?.ended;
      exited.resolve(STOPPED);
    },
  };
}
