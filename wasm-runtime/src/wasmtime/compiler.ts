// Compiles in a process of its own: at the lowest priority, within a limit of memory and time, one component after the other. What it leaves is
// signed here and only then given its name.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { RuntimeError } from '../errors.ts';
import { type BindingEngine, errorOf, settle } from './binding.ts';

export interface CompilerLimits {
  /** Address space of the process, bytes. */
  readonly memoryBytes: number;
  /** Of CPU, over all its threads. */
  readonly cpuSeconds: number;
}

/** A 14 MB component of StarlingMonkey takes about 600 MB of memory, and up to 80 s on two busy cores. */
export const COMPILER_LIMITS: CompilerLimits = Object.freeze({ memoryBytes: 3 * 2 ** 30, cpuSeconds: 600 });

export interface CompilerOptions {
  /** The program around the addon's compiler, and the addon. */
  readonly program: string;
  readonly addon: string;
  readonly engine: BindingEngine;
  readonly limits: CompilerLimits;
}

export interface Compiler {
  /** RuntimeError as of `inspect`, CompileFailed, Io, Stopped. The output appears whole and signed, or not at all. */
  compile(file: string, output: string, onProgress?: (step: string) => void): Promise<void>;
  /** Ends what is being compiled, and what waits for its turn. */
  close(): Promise<void>;
}

export function createCompiler({ program, addon, engine, limits }: CompilerOptions): Compiler {
  let turn: Promise<unknown> = Promise.resolve();
  let running: ChildProcess | undefined;
  let closed = false;
  const stopped = (): RuntimeError => new RuntimeError('Stopped', 'the runtime was closed while the component was compiled');

  async function compile(file: string, output: string, onProgress: (step: string) => void): Promise<void> {
    const partial = `${output}.${randomUUID()}.partial`;
    try {
      const imageBytes = await run([addon, file, partial, ...engine.compilerOptions, String(limits.memoryBytes), String(limits.cpuSeconds)], onProgress);
      settle(await engine.seal(partial, imageBytes));
      await rename(partial, output).catch((cause: unknown) => {
        throw new RuntimeError('Io', `${output}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      });
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  /** Bytes of the compiled image. */
  async function run(args: readonly string[], onProgress: (step: string) => void): Promise<number> {
    if (closed) throw stopped();
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: {} });
    running = child;
    const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    let said = '';
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = `${complaint}${text}`.slice(-1000);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('progress ')) onProgress(line.slice('progress '.length));
      else said = line;
    });
    const [, signal] = await ended.catch((cause: unknown) => {
      throw new RuntimeError('Internal', `the compiler cannot be started: ${cause instanceof Error ? cause.message : String(cause)}: run 'npm run setup'`, { cause });
    });
    const [word, first = '', ...rest] = said.split(' ');
    if (word === 'done') return Number(first);
    if (word === 'failed') throw errorOf(first, rest.join(' '));
    if (closed) throw stopped();
    const why = signal === 'SIGKILL' || signal === 'SIGXCPU' ? `it took more than ${limits.cpuSeconds} s of CPU, or was killed` : `it may use ${limits.memoryBytes} bytes of memory: ${complaint.trim() || (signal ?? 'it said nothing')}`;
    throw new RuntimeError('CompileFailed', `the compiler was ended: ${why}`);
  }

  return {
    compile(file, output, onProgress = () => {}) {
      onProgress('waiting');
      const mine = turn.then(async () => compile(file, output, onProgress));
      turn = mine.catch(() => {});
      return mine;
    },
    async close() {
      closed = true;
      running?.kill('SIGKILL');
      await turn;
    },
  };
}
