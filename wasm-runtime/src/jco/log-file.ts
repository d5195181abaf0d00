// A workload's log in the form every engine writes: `<RFC3339Nano> stdout|stderr F|P <text>`, renamed to `<path>.1` when it grows too large.

import { appendFileSync, renameSync, statSync } from 'node:fs';
import type { LogTarget } from '../runtime.ts';

/** A line longer than this is written in parts. */
const LINE_BYTES = 16 * 1024;

export class LogFile {
  readonly #target: LogTarget;
  readonly #rest: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  #size: number;

  constructor(target: LogTarget) {
    this.#target = target;
    this.#size = statSync(target.path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** `time`: RFC 3339 with nanoseconds. */
  write(stream: 'stdout' | 'stderr', text: string, time: string): void {
    const lines = `${this.#rest[stream]}${text}`.split('\n');
    this.#rest[stream] = lines.pop() ?? '';
    const records = lines.map((line) => `${time} ${stream} F ${line}\n`);
    while (this.#rest[stream].length > LINE_BYTES) {
      records.push(`${time} ${stream} P ${this.#rest[stream].slice(0, LINE_BYTES)}\n`);
      this.#rest[stream] = this.#rest[stream].slice(LINE_BYTES);
    }
    this.#append(records.join(''));
  }

  /** What has no newline after it is a line of its own at the end. */
  end(time: string): void {
    for (const stream of ['stdout', 'stderr'] as const) if (this.#rest[stream] !== '') this.write(stream, '\n', time);
  }

  #append(text: string): void {
    if (text === '') return;
    const size = Buffer.byteLength(text);
    if (this.#size > 0 && this.#size + size > this.#target.maxBytes) {
      renameSync(this.#target.path, `${this.#target.path}.1`);
      this.#size = 0;
    }
    appendFileSync(this.#target.path, text);
    this.#size += size;
  }
}
