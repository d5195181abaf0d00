// A process that holds a store open and nothing more: what it costs in memory. Says when it is open; asked on standard input, reads
// everything once and says how long opening and reading took.
import { once } from 'node:events';
import { openLmdbStorage } from '@copepod/control-plane/storage';

const began = performance.now();
const storage = openLmdbStorage({ path: process.argv[2] ?? '' });
const opening = performance.now() - began;
await storage.get('/objects/1');
process.stdout.write('{"open":true}\n');
await once(process.stdin, 'data');
const reading = performance.now();
let count = 0;
for (let after: string | undefined, more = true; more;) {
  const page = await storage.list({ prefix: '/', after, limit: 1000 });
  count += page.items.length;
  after = page.items.at(-1)?.key;
  more = page.more;
}
process.stdout.write(`${JSON.stringify({ count, ms: opening + performance.now() - reading })}\n`);
process.stdin.on('end', () => void storage.close().then(() => process.exit()));
