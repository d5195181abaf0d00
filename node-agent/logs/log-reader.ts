// Reads what the runtime wrote: `<RFC3339Nano> stdout|stderr F|P <text>`, one file and one rotated before it (`<path>.1`). Serves the log
// endpoint: without times unless asked, the last so many lines, followed while the container lives.

import { open, stat } from 'node:fs/promises';
import type { Clock } from '@copepod/client/clock';

export interface LogQuery {
  readonly follow: boolean;
  readonly tailLines: number | undefined;
  readonly timestamps: boolean;
  readonly sinceSeconds: number | undefined;
  readonly limitBytes: number | undefined;
}

export interface LogSource {
  readonly path: string;
  /** Whether more may be written. */
  readonly live: () => boolean;
}

const POLL_MS = 200;
const CHUNK = 64 * 1024;

/** Ends at the end of the file, or, following, when the container has ended or the signal aborts. */
export async function* readLog(source: LogSource, query: LogQuery, clock: Clock, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const since = query.sinceSeconds === undefined ? undefined : new Date(clock.now() - query.sinceSeconds * 1000).toISOString();
  const budget = { left: query.limitBytes ?? Number.POSITIVE_INFINITY };
  const render = (lines: readonly string[]): Uint8Array | undefined => {
    const text = lines.filter((line) => since === undefined || line >= since).map((line) => renderLine(line, query.timestamps)).join('');
    const bytes = encoder.encode(text).subarray(0, Math.min(budget.left, Number.MAX_SAFE_INTEGER));
    budget.left -= bytes.length;
    return bytes.length === 0 ? undefined : bytes;
  };

  const old = splitLines(await readFrom(`${source.path}.1`, 0)).lines;
  let position = await identify(source.path);
  const first = splitLines(await readFrom(source.path, 0));
  const lines = [...old, ...first.lines];
  const begin = render(query.tailLines === undefined ? lines : query.tailLines === 0 ? [] : lines.slice(-query.tailLines));
  if (begin !== undefined) yield begin;
  if (!query.follow) return;
  let offset = first.bytes;
  while (!signal.aborted && budget.left > 0) {
    // Asked before reading: what is written before the end is still read after it.
    const live = source.live();
    const now = await identify(source.path);
    const parts: string[] = [];
    if (now.inode !== position.inode && position.inode !== 0) {
      parts.push(...splitLines(await readFrom(`${source.path}.1`, offset)).lines);
      offset = 0;
    }
    position = now;
    const more = splitLines(await readFrom(source.path, offset));
    offset += more.bytes;
    parts.push(...more.lines);
    const bytes = render(parts);
    if (bytes !== undefined) yield bytes;
    if (!live && parts.length === 0) return;
    if (parts.length === 0) await clock.sleep(POLL_MS, signal).catch(() => {});
  }
}

/** `F` ends a line, `P` is a part of one that goes on. */
function renderLine(line: string, timestamps: boolean): string {
  const [time = '', , flag, ...rest] = line.split(' ');
  return `${timestamps ? `${time} ` : ''}${rest.join(' ')}${flag === 'P' ? '' : '\n'}`;
}

/** Whole lines only: the last one may still be being written. */
function splitLines(buffer: Buffer): { readonly lines: readonly string[]; readonly bytes: number } {
  const end = buffer.lastIndexOf(10) + 1;
  return end === 0 ? { lines: [], bytes: 0 } : { lines: buffer.subarray(0, end - 1).toString('utf8').split('\n'), bytes: end };
}

async function identify(path: string): Promise<{ readonly inode: number }> {
  return stat(path).then(({ ino }) => ({ inode: ino }), () => ({ inode: 0 }));
}

async function readFrom(path: string, offset: number): Promise<Buffer> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const chunks: Buffer[] = [];
    for (let at = offset; ; ) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, at);
      if (bytesRead === 0) return Buffer.concat(chunks);
      chunks.push(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
