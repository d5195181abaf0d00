// Load on servers: wrk for many requests, one plain request where the answer itself is looked at. Loopback only.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Target {
  readonly url: string;
  /** For the `Host` header; absent: the URL's. */
  readonly host?: string;
}

/** One GET on a connection of its own; status 0 when there was no answer. */
export function ask({ url, host }: Target): Promise<Answer> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false, ...(host === undefined ? {} : { headers: { host } }) }, (incoming) => {
      let body = '';
      incoming.setEncoding('utf8').on('data', (text: string) => void (body += text));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body }));
      incoming.on('error', () => resolve({ status: 0, body }));
    });
    outgoing.on('error', () => resolve({ status: 0, body: '' }));
    outgoing.end();
  });
}

/** Milliseconds until the URL answers 200; asked every millisecond. */
export async function untilAnswer(url: string, host?: string): Promise<number> {
  const began = performance.now();
  while ((await ask({ url, ...(host === undefined ? {} : { host }) })).status !== 200) {
    if (performance.now() - began > 120_000) throw new Error(`${url} did not answer within two minutes`);
    await sleep(1);
  }
  return performance.now() - began;
}

export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

export interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly host?: string;
}

interface Summary {
  readonly requests: number;
  readonly micros: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
}

/** wrk, one thread; a run with a single answer that is not 2xx, or a socket error, is an error. */
export async function wrk(url: string, { connections, seconds, host }: LoadOptions): Promise<Load> {
  const args = ['-t1', `-c${connections}`, `-d${seconds}`, '-s', join(import.meta.dirname, 'wrk-summary.lua'), ...(host === undefined ? [] : ['-H', `Host: ${host}`]), url];
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  await closed;
  const said = /^summary (.+)$/m.exec(text)?.[1];
  const summary = said === undefined ? undefined : (JSON.parse(said) as Summary);
  if (summary === undefined || summary.failed > 0 || summary.requests === 0) throw new Error(`wrk ${args.join(' ')}:\n${text}`);
  return { requests: summary.requests, requestsPerSecond: (summary.requests * 1e6) / summary.micros, p50: summary.p50, p99: summary.p99 };
}

/** CPU seconds a process has used since it was started, all its threads together. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // After the name, which may hold spaces: state is the first field, utime and stime are the 12th and 13th, in hundredths.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Proportional set size of a process, MiB: memory shared with others counts in part. */
export function memoryOf(pid: number): number {
  const kilobytes = Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
  return kilobytes / 1024;
}
