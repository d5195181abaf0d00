// A service on V8: a process that is started at the first request and answers each with an instance of its own. A guest that ends badly
// takes its process with it; the next request finds a new one.

import { IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { pipeline, type Readable, Transform } from 'node:stream';
import { RuntimeError, type RuntimeErrorCode } from '../errors.ts';
import type { Limits } from '../limits.ts';
import type { Exit, ProbeRequest, Workload } from '../runtime.ts';
import type { Counters } from './counters.ts';
import type { RunnerProcess } from './runner-process.ts';

export interface ServiceOptions {
  readonly id: string;
  readonly limits: Limits;
  readonly counters: Counters;
  readonly start: () => Promise<RunnerProcess>;
  /** Calls back after so many milliseconds; the result cancels. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
  /** Hears of each request, where that is wanted. */
  readonly access: ((line: string) => void) | undefined;
}

export interface JcoService extends Workload {
  /** False when it takes no more requests: nothing of this one was consumed. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
}

const STOPPED: Exit = { reason: 'Stopped', exitCode: 137, message: 'stopped by the node' };
/** How long a process whose connection broke has to end by itself. */
const ENDING_MS = 1000;
const STATUS: Readonly<Partial<Record<Exit['reason'], number>>> = { DeadlineExceeded: 504, Stopped: 503 };

export function createService(options: ServiceOptions): JcoService {
  const { limits, counters } = options;
  const exited = Promise.withResolvers<Exit>();
  let listener: (failure: Exit) => void = () => {};
  let runner: Promise<RunnerProcess> | undefined;
  let stopping = false;
  let idle: (() => void) | undefined;
  const waiting: (() => void)[] = [];
  let open = 0;

  function current(): Promise<RunnerProcess> {
    if (runner !== undefined) return runner;
    counters.instance();
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
    readonly body: Readable | undefined;
    readonly timeoutMs: number;
    /** Its client went away. */
    readonly gone?: AbortSignal;
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
      const request = httpRequest({ host: '127.0.0.1', port, method: asked.method, path: asked.path, headers: asked.headers, agent: false, ...(asked.gone === undefined ? {} : { signal: asked.gone }) }, (response) => {
        response.on('close', finish);
        resolve(response);
      });
      request.on('error', (error) => {
        finish();
        if (asked.gone?.aborted === true) {
          resolve(STOPPED);
          return;
        }
        // Most often it has ended, and is not known to have; if not, what it answers cannot be read, and it must not go on.
        const cancelKill = options.after(ENDING_MS, () => process.kill());
        void process.ended.then((exit) => {
          cancelKill();
          if (late) resolve({ reason: 'DeadlineExceeded', exitCode: 124, message: `request took longer than ${asked.timeoutMs} ms` });
          else if (stopping) resolve(STOPPED);
          else if (exit.reason === 'Stopped') resolve({ reason: 'Error', exitCode: 1, message: `its answer cannot be read: ${error.message}` });
          else resolve(exit.reason === 'Completed' ? { reason: 'Error', exitCode: 1, message: 'the guest exited without an answer' } : exit);
        });
      });
      if (asked.body === undefined) request.end();
      else asked.body.on('error', (error) => request.destroy(error)).pipe(request);
    });
  }

  function admit(): () => void {
    counters.began();
    counters.inFlight += 1;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      counters.inFlight -= 1;
      if (counters.inFlight === 0) idle?.();
    };
  }

  /** A place for one more request; as many may wait as there are. False: there is none. */
  async function place(): Promise<boolean> {
    if (open < limits.concurrency) {
      open += 1;
      return true;
    }
    if (waiting.length >= limits.concurrency) {
      counters.hit('concurrency');
      return false;
    }
    // Whoever leaves hands its place on.
    await new Promise<void>((resolve) => waiting.push(resolve));
    return true;
  }

  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) open -= 1;
    else next();
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse, done: () => void): Promise<void> {
    const began = options.monotonic();
    const refused = refusal(incoming, limits);
    if (refused !== undefined) {
      counters.hit(refused.limit);
      refuse(outgoing, refused.status, refused.text);
      done();
    } else if (await place()) {
      await passOn(incoming, outgoing, () => {
        leave();
        done();
      });
    } else {
      refuse(outgoing, 503, `Overloaded: ${limits.concurrency} requests are under way already, and as many wait\n`);
      done();
    }
    const ms = options.monotonic() - began;
    counters.answered(outgoing.statusCode, ms);
    options.access?.(`${outgoing.statusCode} ${incoming.method ?? 'GET'} ${incoming.url ?? '/'} ${Math.round(ms * 1000)} us`);
  }

  /** To the guest and back, both bodies within their limits. */
  async function passOn(incoming: IncomingMessage, outgoing: ServerResponse, done: () => void): Promise<void> {
    const over = once(done);
    const body = metered(limits.requestBodyBytes, (bytes) => (counters.bytesIn += bytes), () => counters.hit('requestBody'));
    incoming.pipe(body);
    const gone = new AbortController();
    outgoing.on('close', () => gone.abort());
    const result = await ask({ method: incoming.method ?? 'GET', path: incoming.url ?? '/', headers: incoming.headers, body, timeoutMs: limits.requestTimeoutMs, gone: gone.signal }, over);
    if (result instanceof IncomingMessage) {
      outgoing.writeHead(result.statusCode ?? 502, result.headers);
      const answer = metered(limits.responseBodyBytes, (bytes) => (counters.bytesOut += bytes), () => counters.hit('responseBody'));
      pipeline(result, answer, outgoing, (error) => {
        if (error !== undefined && error !== null) outgoing.destroy();
      });
      return;
    }
    if (result.reason === 'OOMKilled') counters.hit('memory');
    if (result.reason === 'DeadlineExceeded') counters.hit('requestTime');
    if (result.reason !== 'Stopped') {
      counters.failed(result.reason);
      listener(result);
    }
    refuse(outgoing, STATUS[result.reason] ?? 502, `${result.reason}: ${result.message}\n`);
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
    stats: () => counters.read(),
    async stop(deadlineMs) {
      stopping = true;
      if (counters.inFlight > 0 && deadlineMs > 0) {
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

function refuse(outgoing: ServerResponse, status: number, text: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  outgoing.end(text);
}

/** Why a request is not let in, by its head alone. */
function refusal(incoming: IncomingMessage, limits: Limits): { readonly status: number; readonly limit: 'headers' | 'requestBody'; readonly text: string } | undefined {
  const headers = incoming.rawHeaders.reduce((sum, text) => sum + text.length, 0);
  if (headers > limits.headerBytes) return { status: 431, limit: 'headers', text: `HeadersTooLarge: ${headers} bytes of headers are more than the limit of ${limits.headerBytes}\n` };
  if (Number(incoming.headers['content-length'] ?? 0) > limits.requestBodyBytes) return { status: 413, limit: 'requestBody', text: `RequestTooLarge: the body is larger than the limit of ${limits.requestBodyBytes} bytes\n` };
  return undefined;
}

/** Passes on what it counts, and ends with an error after `most` bytes. */
function metered(most: number, count: (bytes: number) => void, tooMuch: () => void): Transform {
  let total = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      count(chunk.length);
      if (total <= most) {
        done(null, chunk);
        return;
      }
      tooMuch();
      done(new RuntimeError('RequestTooLarge', `the body is larger than the limit of ${most} bytes`));
    },
  });
}

/** Both bodies may end a request. */
function once(callback: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    callback();
  };
}
