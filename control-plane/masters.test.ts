// What servers on one store share, on a real store: the CA under the secret, tokens, and who is there.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '@copepod/client/clock';
import { runPresence, shareAuthority, sharedTokens } from './masters.ts';
import { createJoinTokens, readAuthority, SealError } from './pki/index.ts';
import { createMemoryStorage, type Storage } from './storage/index.ts';

const now = Date.now();

function storeOf(t: TestContext): Storage {
  const storage = createMemoryStorage();
  t.after(() => storage.close());
  return storage;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'copepod-masters-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const is = (code: SealError['code']) => (error: unknown): boolean => error instanceof SealError && error.code === code;

test('the second server has the first one\'s CA when it has its secret, and says what is wrong when not', async (t) => {
  const storage = storeOf(t);
  const [first, second] = [folder(t), folder(t)];
  await shareAuthority({ storage, dataDir: first, now });
  const secretFile = join(first, 'cluster-secret');
  await assert.rejects(shareAuthority({ storage, dataDir: second, now }), is('NoSecret'));
  writeFileSync(join(second, 'cluster-secret'), 'f'.repeat(64));
  await assert.rejects(shareAuthority({ storage, dataDir: second, now }), is('BadSecret'));
  writeFileSync(join(second, 'cluster-secret'), 'short');
  await assert.rejects(shareAuthority({ storage, dataDir: second, now }), is('BadSecret'));
  await shareAuthority({ storage, dataDir: second, secretFile, now });
  const authority = readAuthority(join(first, 'pki'));
  assert.ok(authority !== undefined);
  assert.deepEqual(readAuthority(join(second, 'pki')), authority);
  await shareAuthority({ storage, dataDir: first, now });
  const other = folder(t);
  await shareAuthority({ storage: storeOf(t), dataDir: other, now });
  await assert.rejects(shareAuthority({ storage, dataDir: other, secretFile, now }), is('OtherCluster'));
});

test('of servers that start at the same moment with one secret all have one CA, and the store shows nothing of its key', async (t) => {
  const storage = storeOf(t);
  const secretFile = join(folder(t), 'secret');
  writeFileSync(secretFile, 'a'.repeat(64));
  const folders = [folder(t), folder(t), folder(t)];
  await Promise.all(folders.map((dataDir) => shareAuthority({ storage, dataDir, secretFile, now })));
  const certificates = folders.map((dataDir) => readFileSync(join(dataDir, 'pki', 'ca.crt'), 'utf8'));
  assert.equal(new Set(certificates).size, 1);
  const stored = (await storage.list({ prefix: '/' })).items.map((item) => Buffer.from(item.value).toString('utf8')).join();
  assert.doesNotMatch(stored, /PRIVATE KEY/);
  const sealed = await storage.get('/cluster/authority');
  assert.ok(sealed !== undefined);
  await storage.commit([{ type: 'put', key: '/cluster/authority', value: Buffer.from('{}'), expect: sealed.modRevision }]);
  await assert.rejects(shareAuthority({ storage, dataDir: folder(t), secretFile, now }), is('Damaged'));
});

test('a token of one server is good at another, until it has expired', async (t) => {
  const storage = storeOf(t);
  const [one, two] = [createJoinTokens(sharedTokens(storage), 'pin'), createJoinTokens(sharedTokens(storage), 'pin')];
  const token = await one.create(now);
  assert.equal(await two.judge(token, now), undefined);
  assert.match(await two.judge(token, now + 25 * 3_600_000) ?? '', /expired/);
  assert.match(await two.judge(`${token.slice(0, -1)}x`, now) ?? '', /not known/);
  assert.match(await two.judge('cp1.pin.../x.secret', now) ?? '', /not known/);
});

test('servers see each other come and go', async (t) => {
  const storage = storeOf(t);
  const seen: string[] = [];
  const stops = ['one', 'two'].map(() => new AbortController());
  const [first, second] = stops;
  assert.ok(first !== undefined && second !== undefined);
  const run = (identity: string, stop: AbortController, told: string[]): Promise<void> => runPresence({ storage, clock: systemClock, identity, url: `https://${identity}`, onOthers: (urls) => void told.push(urls.join()), onError: (error) => assert.fail(String(error)) }, stop.signal);
  const running = [run('one', first, []), run('two', second, seen)];
  t.after(async () => {
    for (const stop of stops) stop.abort();
    await Promise.all(running);
  });
  const until = async (holds: () => boolean): Promise<void> => {
    const end = performance.now() + 20_000;
    while (!holds()) {
      assert.ok(performance.now() < end, seen.join('; '));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await until(() => seen.at(-1) === 'https://one');
  first.abort();
  await until(() => seen.at(-1) === '');
});
