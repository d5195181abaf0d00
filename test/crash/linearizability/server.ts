// A store behind a pipe: requests are lines of JSON on standard input, answers lines on standard output, in whatever order they are
// ready. Argument: path. Gets killed and paused.

import { createInterface } from 'node:readline';
import { writeSync } from 'node:fs';
import { isStorageError, openLmdbStorage } from '@copepod/control-plane/storage';
import { type Entry, KEYS, type Request, type Slot } from './protocol.ts';

const storage = openLmdbStorage({ path: process.argv[2] ?? '' });
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

async function answer(request: Request): Promise<object> {
  if (request.op === 'get') {
    const found = await storage.get(`/${request.key}`);
    return { outcome: 'ok', found: found === undefined ? { mod: 0, value: '' } : { mod: found.modRevision, value: text(found.value) } };
  }
  if (request.op === 'list') {
    const { items, revision } = await storage.list({ prefix: '/' });
    const all: Slot[] = Array.from({ length: KEYS }, () => ({ mod: 0, value: '' }));
    for (const item of items) all[Number(item.key.slice(1))] = { mod: item.modRevision, value: text(item.value) };
    return { outcome: 'ok', revision, all };
  }
  if (request.op === 'log') return { outcome: 'ok', log: await readLog() };
  try {
    const revision = await storage.commit(request.writes.map(({ key, expect, value }) => (value === '' ? { type: 'delete', key: `/${key}`, expect } : { type: 'put', key: `/${key}`, value: new TextEncoder().encode(value), expect })));
    return { outcome: 'ok', revision };
  } catch (error) {
    if (!isStorageError(error, 'Conflict')) throw error;
    return { outcome: 'conflict' };
  }
}

async function readLog(): Promise<readonly Entry[]> {
  const log: Entry[] = [];
  const last = await storage.revision();
  for await (const { events, revision } of storage.watch({ prefix: '/', after: 0, signal: new AbortController().signal, progress: true })) {
    for (const event of events) log.push({ revision: event.revision, key: Number(event.key.slice(1)), value: event.type === 'put' ? text(event.value) : '', before: event.previous?.modRevision ?? 0 });
    if (revision >= last) break;
  }
  return log;
}

const say = (value: object): void => void writeSync(1, `${JSON.stringify(value)}\n`);
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...request } = JSON.parse(line) as Request & { id: number };
  void answer(request).then((answered) => say({ id, ...answered }));
}
