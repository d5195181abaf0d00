// Durable writes of the store against the bare library under it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbStorage } from '@copepod/control-plane/storage';
import { open } from 'lmdb';
import { interleave, type Scenario } from '../harness/index.ts';

const VALUE = new Uint8Array(256).fill(120);

export const store: Scenario = {
  name: 'store',
  group: 'cluster',
  title: 'Durable writes',
  method: '256-byte values, each write awaited by its writer until it is fsynced: the store (revision, compare-and-set, watchers) and bare `lmdb` with `await db.put()`, on the same disk in turns.',
  async run({ rounds, say }) {
    const folder = mkdtempSync(join(tmpdir(), 'copepod-bench-'));
    const storage = openLmdbStorage({ path: join(folder, 'store') });
    const bare = open({ path: join(folder, 'bare'), encoding: 'binary', overlappingSync: false });
    let key = 0;
    const rate = async (writers: number, write: (key: string) => Promise<unknown>): Promise<number> => {
      const each = Math.max(20, Math.ceil(4000 / writers));
      const began = performance.now();
      await Promise.all(Array.from({ length: writers }, async () => {
        for (let index = 0; index < each; index += 1) await write(`/bench/${(key += 1)}`);
      }));
      return (writers * each * 1000) / (performance.now() - began);
    };
    try {
      const measurements = [];
      for (const writers of [1, 100, 1000]) {
        say(`${writers} writers`);
        const samples = await interleave(rounds, {
          copepod: () => rate(writers, (name) => storage.commit([{ type: 'put', key: name, value: VALUE, expect: 0 }])),
          'bare lmdb': () => rate(writers, (name) => bare.put(name, VALUE)),
        });
        for (const [subject, values] of Object.entries(samples)) measurements.push({ subject, metric: `${writers} writer${writers === 1 ? '' : 's'}`, unit: '/s', better: 'higher' as const, samples: values });
      }
      return measurements;
    } finally {
      await storage.close();
      await bare.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
