// A process that writes to a store until it is killed. Says on its standard output, at once and in order, what it is about to do and
// what it was told: `? <id> <writes>` and then `! <id> <revision>` (acknowledged) or `x <id>` (refused). Arguments: path, seed, round, and `plain` for a
// life without compaction and defragmentation.

import { writeSync } from 'node:fs';
import { isStorageError, type Mutation, openLmdbStorage } from '@copepod/control-plane/storage';
import { randomOf } from './random.ts';

const [, , path = '', seed = '1', round = '0', mode] = process.argv;
const CLIENTS = 12;
const KEYS = 40;

const say = (line: string): void => void writeSync(1, `${line}\n`);
const random = randomOf(Number(seed) * 7919 + Number(round));
const storage = openLmdbStorage({ path });
const start = await storage.revision();
let ids = 0;
say(`start ${start}`);

/** What is known of a key; another client may know better, and then the write is refused. */
async function mutationOf(key: string, value: string, remove: boolean): Promise<Mutation> {
  const expect = (await storage.get(key))?.modRevision ?? 0;
  if (remove && expect > 0) return { type: 'delete', key, expect };
  return { type: 'put', key, value: new TextEncoder().encode(value.padEnd(20 + Math.floor(random() * 600), '.')), expect };
}

async function client(): Promise<never> {
  for (;;) {
    const id = `${round}.${(ids += 1)}`;
    const count = random() < 0.25 ? 3 : 1;
    const keys = new Set(Array.from({ length: count }, () => `/crash/${Math.floor(random() * KEYS)}`));
    const remove = random() < 0.2;
    const mutations = await Promise.all([...keys].map((key) => mutationOf(key, id, remove)));
    say(`? ${id} ${mutations.map(({ type, key }) => `${type}:${key}`).join(' ')}`);
    try {
      say(`! ${id} ${await storage.commit(mutations)}`);
    } catch (error) {
      if (!isStorageError(error, 'Conflict')) throw error;
      say(`x ${id}`);
    }
  }
}

const clients = Array.from({ length: CLIENTS }, client);
// What came before this round was looked at by the checker already.
if (mode !== 'plain' && random() < 0.7) await storage.compact(start);
say('compacted');
if (mode !== 'plain' && random() < 0.4) {
  await storage.defragment();
  say('defragmented');
}
await Promise.all(clients);
