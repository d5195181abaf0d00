// A workload's log in the form every engine writes: `<RFC3339Nano> stdout|stderr F|P <text>`, renamed to `<path>.1` when it grows too large.

import { appendFileSync, renameSync, statSync } from 'node:fs';
import type { LogTarget } from '../runtime.ts';

/** A line longer than this is written in parts. */
const LINE_BYTES = 16 * 1024;
/** What a line costs at least of the allowance. */
const LINE_COST = 64;

export class LogFile {
  readonly #target: LogTarget;
  readonly #bytesPerSecond: number;
  readonly #monotonic: () => number;
  readonly #onLimit: () => void;
  readonly #rest: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  #size: number;
  /** When all that was written would have been earned (generic cell rate, a second's worth in advance). */
  #due = 0;
  #dropped = 0;

  /** `monotonic`: milliseconds. `onLimit` hears of each write that lost lines. */
  constructor(target: LogTarget, bytesPerSecond: number, monotonic: () => number, onLimit: () => void) {
    this.#target = target;
    this.#bytesPerSecond = bytesPerSecond;
    this.#monotonic = monotonic;
    this.#onLimit = onLimit;
    this.#size = statSync(target.path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** `time`: RFC 3339 with nanoseconds. */
  write(stream: 'stdout' | 'stderr', text: string, time: string): void {
    const lines = `${this.#rest[stream]}${text}`.split('\n');
    this.#rest[stream] = lines.pop() ?? '';
    const parts = lines.map((line) => ['F', line] as const) as (readonly ['F' | 'P', string])[];
    while (this.#rest[stream].length > LINE_BYTES) {
      parts.push(['P', this.#rest[stream].slice(0, LINE_BYTES)]);
      this.#rest[stream] = this.#rest[stream].slice(LINE_BYTES);
    }
    const kept = parts.filter(([, line]) => this.#allowed(line));
    if (kept.length < parts.length) {
      this.#dropped += parts.length - kept.length;
      this.#onLimit();
    }
    const notice = kept.length > 0 && this.#dropped > 0 ? `${time} stderr F copepod: ${this.#dropped} log lines were dropped\n` : '';
    if (notice !== '') this.#dropped = 0;
    this.#append(`${kept.map(([tag, line]) => `${time} ${stream} ${tag} ${line}\n`).join('')}${notice}`);
  }

  /** What has no newline after it is a line of its own at the end. */
  end(time: string): void {
    for (const stream of ['stdout', 'stderr'] as const) if (this.#rest[stream] !== '') this.write(stream, '\n', time);
  }

  #allowed(line: string): boolean {
    const now = this.#monotonic();
    const after = Math.max(this.#due, now) + (Math.max(LINE_COST, Buffer.byteLength(line)) * 1000) / this.#bytesPerSecond;
    if (after - now > 1000 && this.#due > now) return false;
    this.#due = after;
    return true;
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
