// The store against etcd on the same disk, and against the bare library under it: durable writes, reads, opening, memory, compaction.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type LmdbStorage, openLmdbStorage } from '@copepod/control-plane/storage';
import { open } from 'lmdb';
import { type Bar, type Measurement, memoryOf, type RunOptions, type Scenario } from '../harness/index.ts';
import { type Etcd, type Load, missingEtcd, startEtcd } from './store-etcd.ts';

const VALUE = new Uint8Array(256).fill(120);
const OBJECT = new Uint8Array(1024).fill(120);
const OBJECTS = 100_000;
const MEMORY = 'memory with 150,000 objects';
const WRITERS = [[1, 1500], [100, 20_000], [1000, 40_000]] as const;
const name = (writers: number): string => `${writers.toLocaleString('en')} writer${writers === 1 ? '' : 's'}`;

/** `clients` that each wait for their answer before they ask again. */
async function load(clients: number, total: number, work: (index: number) => Promise<unknown>): Promise<Load> {
  const took: number[] = [];
  let next = 0;
  const began = performance.now();
  await Promise.all(Array.from({ length: clients }, async () => {
    while (next < total) {
      const start = performance.now();
      await work((next += 1));
      took.push(performance.now() - start);
    }
  }));
  const rate = (took.length * 1000) / (performance.now() - began);
  took.sort((a, b) => a - b);
  return { rate, p99: took[Math.floor(took.length * 0.99)] ?? Number.NaN };
}

async function fill(storage: LmdbStorage, count: number, prefix: string): Promise<void> {
  await load(500, count, (index) => storage.commit([{ type: 'put', key: `${prefix}${index}`, value: OBJECT, expect: 0 }]));
}

export const store: Scenario = {
  name: 'store',
  group: 'cluster',
  title: 'The store',
  method: '256-byte values, each write awaited by its writer until it is durable, and then gets by 1,000 clients: the store in its own process, as the API server uses it (revisions, compare-and-set, watchers); etcd with its defaults, one member, over gRPC from a Go client on the same machine; bare `lmdb` with `await db.put()`. All on the same disk, in turns. '
    + 'Then 100,000 objects of 1 KB: time to open the store and read them all, memory (proportional set, the mapped part of the file in it) of a process that opened them and of one that read them, and the 99th percentile of 100 writers\' waiting while a compaction takes 100,000 versions away. etcd is left out where it is not installed.',
  bars: WRITERS.map(([writers], index): Bar => ({ metric: name(writers), subject: 'copepod', peer: 'etcd', atLeast: [1, 1.5, 2][index] ?? 1 })),
  async run(options) {
    const root = mkdtempSync(join(tmpdir(), 'copepod-bench-'));
    const without = missingEtcd();
    if (without !== undefined) options.say(`without etcd: ${without}`);
    const etcd = without === undefined ? await startEtcd(join(root, 'etcd')) : undefined;
    try {
      return [...await throughput(root, etcd, options), ...await holding(root, etcd !== undefined, options)];
    } finally {
      await etcd?.stop();
      rmSync(root, { recursive: true, force: true });
    }
  },
};

async function throughput(root: string, etcd: Etcd | undefined, { rounds, say }: RunOptions): Promise<readonly Measurement[]> {
  const storage = openLmdbStorage({ path: join(root, 'store') });
  const bare = open({ path: join(root, 'bare'), encoding: 'binary', overlappingSync: false });
  const samples = new Map<string, { subject: string; metric: string; unit: string; better: 'higher' | 'lower'; samples: number[] }>();
  const note = (subject: string, metric: string, unit: string, better: 'higher' | 'lower', value: number): void => {
    const known = samples.get(`${metric} ${subject}`) ?? { subject, metric, unit, better, samples: [] };
    known.samples.push(value);
    samples.set(`${metric} ${subject}`, known);
  };
  let keys = 0;
  try {
    for (const [writers, total] of WRITERS) {
      say(name(writers));
      for (let round = 0; round < rounds; round += 1) {
        const first = (keys += total);
        const subjects: Readonly<Record<string, () => Promise<Load>>> = {
          copepod: () => load(writers, total, (index) => storage.commit([{ type: 'put', key: `/bench/${first + index}`, value: VALUE, expect: 0 }])),
          ...(etcd === undefined ? {} : { etcd: () => etcd.load('put', { clients: writers, total, first }) }),
          'bare lmdb': () => load(writers, total, (index) => bare.put(`/bench/${first + index}`, VALUE)),
        };
        for (const [subject, run] of round % 2 === 0 ? Object.entries(subjects) : Object.entries(subjects).toReversed()) {
          const { rate, p99 } = await run();
          note(subject, name(writers), '/s', 'higher', rate);
          note(subject, `${name(writers)}, p99`, 'ms', 'lower', p99);
        }
      }
    }
    say('reads');
    const [first] = [keys];
    for (let round = 0; round < rounds; round += 1) {
      note('copepod', 'reads, 1,000 clients', '/s', 'higher', (await load(1000, 200_000, (index) => storage.get(`/bench/${first + 1 + (index % 10_000)}`))).rate);
      if (etcd !== undefined) note('etcd', 'reads, 1,000 clients', '/s', 'higher', (await etcd.load('get', { clients: 1000, total: 100_000, keys: 10_000 })).rate);
    }
    const written = (await storage.status()).figures.find((figure) => figure.name === 'written_bytes_per_commit')?.value ?? Number.NaN;
    note('copepod', 'bytes written per commit, all of the above', 'B', 'lower', written);
  } finally {
    await storage.close();
    await bare.close();
  }
  return [...samples.values()];
}

async function holding(root: string, withEtcd: boolean, { rounds, say }: RunOptions): Promise<readonly Measurement[]> {
  say('100,000 objects');
  const path = join(root, 'objects');
  const storage = openLmdbStorage({ path });
  await fill(storage, OBJECTS, '/objects/');
  await storage.compact(await storage.revision());
  // Every object once more: so many versions a compaction takes away.
  const calm = await load(100, OBJECTS / 2, async (index) => storage.commit([{ type: 'put', key: `/objects/${index}`, value: OBJECT, expect: (await storage.get(`/objects/${index}`))?.modRevision ?? 0 }]));
  await load(100, OBJECTS / 2, async (index) => storage.commit([{ type: 'put', key: `/objects/${OBJECTS / 2 + index}`, value: OBJECT, expect: (await storage.get(`/objects/${OBJECTS / 2 + index}`))?.modRevision ?? 0 }]));
  await storage.compact(await storage.revision());
  const busy = await load(100, OBJECTS / 2, (index) => storage.commit([{ type: 'put', key: `/more/${index}`, value: OBJECT, expect: 0 }]));
  const { figures } = await storage.status();
  await storage.close();
  const opened: number[] = [];
  const idle: number[] = [];
  const read: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const holder = spawn(process.execPath, [join(import.meta.dirname, 'store-holder.ts'), path], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: holder.stdout })[Symbol.asyncIterator]();
    await lines.next();
    idle.push(memoryOf(holder.pid ?? 0));
    holder.stdin.write('read\n');
    const { count, ms } = JSON.parse(String((await lines.next()).value)) as { count: number; ms: number };
    opened.push((ms * OBJECTS) / count);
    read.push(memoryOf(holder.pid ?? 0));
    const exited = once(holder, 'exit');
    holder.stdin.end();
    await exited;
  }
  const measurements: Measurement[] = [
    { subject: 'copepod', metric: 'open and read 100,000 objects', unit: 'ms', better: 'lower', samples: opened },
    { subject: 'copepod', metric: MEMORY, unit: 'MiB', better: 'lower', samples: idle },
    { subject: 'copepod', metric: `${MEMORY}, all read`, unit: 'MiB', better: 'lower', samples: read },
    { subject: 'copepod', metric: '100 writers, p99, no compaction', unit: 'ms', better: 'lower', samples: [calm.p99] },
    { subject: 'copepod', metric: '100 writers, p99, under compaction', unit: 'ms', better: 'lower', samples: [busy.p99] },
    { subject: 'copepod', metric: 'what a compaction holds a transaction up, p99', unit: 'ms', better: 'lower', samples: [figures.find((figure) => figure.name === 'sweep_p99_ms')?.value ?? Number.NaN] },
  ];
  if (withEtcd) {
    const writing = await startEtcd(join(root, 'etcd-objects'));
    await writing.load('put', { clients: 500, total: OBJECTS * 1.5, size: OBJECT.length });
    await writing.stop();
    const etcd = await startEtcd(join(root, 'etcd-objects'));
    measurements.push({ subject: 'etcd', metric: MEMORY, unit: 'MiB', better: 'lower', samples: [memoryOf(etcd.pid)] });
    await etcd.load('get', { clients: 100, total: OBJECTS * 1.5, keys: OBJECTS * 1.5 });
    measurements.push({ subject: 'etcd', metric: `${MEMORY}, all read`, unit: 'MiB', better: 'lower', samples: [memoryOf(etcd.pid)] });
    await etcd.stop();
  }
  return measurements;
}
