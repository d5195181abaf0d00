// What is the etcd store's own: members that go, writes nobody knows the fate of, logins, certificates, neighbours in the same etcd.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createAuthority, issue } from '../../pki/index.ts';
import { isStorageError, type StorageErrorCode } from '../errors.ts';
import type { Storage, StorageEvent } from '../storage.ts';
import { type EtcdStorageOptions, openEtcdStorage } from './etcd-storage.ts';
import { etcdVersion, type LocalEtcd, type LocalEtcdOptions, startLocalEtcd } from './local-etcd.ts';

const binary = process.env['COPEPOD_ETCD'] ?? 'etcd';
const skip = etcdVersion(binary) === undefined ? `no etcd to run: ${binary} is not on the PATH (Debian: apt-get install etcd-server)` : false;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const is = (code: StorageErrorCode, words = /./) => (error: unknown): boolean => isStorageError(error, code) && words.test(error.message);

async function etcdOf(t: TestContext, options: Partial<LocalEtcdOptions> = {}): Promise<LocalEtcd> {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-etcd-'));
  const etcd = await startLocalEtcd({ folder, binary, ...options });
  t.after(async () => {
    for (const member of etcd.members) member.signal('SIGCONT');
    await etcd.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return etcd;
}

async function openedOn(t: TestContext, etcd: LocalEtcd, options: Partial<EtcdStorageOptions> = {}): Promise<Storage> {
  const storage = await openEtcdStorage({ endpoints: etcd.endpoints, ...options });
  t.after(() => storage.close());
  return storage;
}

const put = (storage: Storage, key: string, expect = 0, text = 'v'): Promise<number> => storage.commit([{ type: 'put', key, value: bytes(text), expect }]);

/** Events as they come, into a list. */
function listen(t: TestContext, storage: Storage, prefix: string, after: number): StorageEvent[] {
  const heard: StorageEvent[] = [];
  void (async () => {
    for await (const batch of storage.watch({ prefix, after, signal: t.signal })) heard.push(...batch.events);
  })();
  return heard;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < end, `${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Writes one key after the other while `meanwhile` runs: what was acknowledged, and what nobody knows of. */
async function writing(storage: Storage, meanwhile: () => Promise<void>): Promise<{ readonly acknowledged: ReadonlySet<string>; readonly uncertain: ReadonlySet<string> }> {
  const [acknowledged, uncertain] = [new Set<string>(), new Set<string>()];
  const over = new AbortController();
  const breaking = meanwhile().finally(() => over.abort());
  for (let count = 0; !over.signal.aborted || count < 50; count += 1) {
    const key = `/k/${String(count).padStart(6, '0')}`;
    try {
      await put(storage, key);
      acknowledged.add(key);
    } catch (error) {
      if (isStorageError(error, 'Uncertain')) uncertain.add(key);
      else if (!isStorageError(error, 'Unavailable')) throw error;
    }
  }
  await breaking;
  return { acknowledged, uncertain };
}

for (const [how, signal] of [['is killed', 'SIGKILL'], ['falls silent', 'SIGSTOP']] as const) {
  test(`when the member in use ${how}, another is used, and a watcher misses nothing and hears nothing twice`, { skip, timeout: 90_000 }, async (t) => {
    const etcd = await etcdOf(t, { members: 3 });
    const storage = await openedOn(t, etcd);
    const heard = listen(t, storage, '/k/', await storage.revision());
    const { acknowledged, uncertain } = await writing(storage, async () => {
      await until('events', () => heard.length > 20);
      etcd.members[0]?.signal(signal);
      const before = heard.length;
      await until('events after it', () => heard.length > before + 20);
    });
    await until('all that was acknowledged', () => acknowledged.isSubsetOf(new Set(heard.map((event) => event.key))));
    const keys = heard.map((event) => event.key);
    assert.equal(new Set(keys).size, keys.length);
    for (const key of keys) assert.ok(acknowledged.has(key) || uncertain.has(key), key);
    assert.deepEqual(heard.map((event) => event.revision), heard.map((event) => event.revision).sort((a, b) => a - b));
  });
}

test('a write that a silent etcd took is Uncertain, one that reached none is Unavailable', { skip, timeout: 90_000 }, async (t) => {
  const etcd = await etcdOf(t);
  const storage = await openedOn(t, etcd);
  const first = await put(storage, '/a');
  etcd.members[0]?.signal('SIGSTOP');
  await assert.rejects(put(storage, '/b'), is('Uncertain', /may have been done/));
  etcd.members[0]?.signal('SIGCONT');
  const now = await storage.get('/b');
  assert.ok(now === undefined || now.modRevision === first + 1);
  await etcd.members[0]?.kill();
  // The read finds out that the connection is dead; until then a write on it would be Uncertain too.
  await assert.rejects(storage.get('/a'), is('Unavailable'));
  await assert.rejects(put(storage, '/c'), is('Unavailable'));
  await etcd.members[0]?.restart();
  assert.equal((await storage.get('/a'))?.modRevision, first);
  assert.equal(await storage.get('/c'), undefined);
});

test('a watch that begins further back than the feed reads etcd\'s past, then goes on with the present', { skip, timeout: 90_000 }, async (t) => {
  const etcd = await etcdOf(t);
  const early = await openedOn(t, etcd);
  const start = await put(early, '/k/start');
  for (let round = 0; round < 15; round += 1) await Promise.all(Array.from({ length: 100 }, (_, index) => put(early, `/k/${round}.${index}`)));
  const late = await openedOn(t, etcd);
  const heard = listen(t, late, '/k/', start);
  await put(late, '/k/last');
  await until('all of it', () => heard.length === 1501);
  assert.deepEqual(heard.map((event) => event.revision), Array.from({ length: 1501 }, (_, index) => start + 1 + index));
});

test('a watch from just below what another compacted is told so, though it would have missed only a deletion', { skip, timeout: 60_000 }, async (t) => {
  const etcd = await etcdOf(t);
  const other = await openedOn(t, etcd);
  const made = await put(other, '/k');
  const deleted = await other.commit([{ type: 'delete', key: '/k', expect: made }]);
  await put(other, '/later');
  await other.compact(deleted);
  const storage = await openedOn(t, etcd);
  const next = (after: number): Promise<unknown> => storage.watch({ prefix: '/', after, signal: t.signal })[Symbol.asyncIterator]().next();
  await assert.rejects(next(deleted - 1), is('Compacted'));
  assert.deepEqual(((await next(deleted)) as { value: { events: StorageEvent[] } }).value.events.map((event) => event.key), ['/later']);
});

test('stores with other prefixes in the same etcd see nothing of each other, and one revision', { skip, timeout: 60_000 }, async (t) => {
  const etcd = await etcdOf(t);
  const [one, two] = [await openedOn(t, etcd, { prefix: '/one' }), await openedOn(t, etcd, { prefix: '/one-more' })];
  const first = await put(one, '/a');
  const progress = one.watch({ prefix: '/', after: first, signal: t.signal, progress: true })[Symbol.asyncIterator]();
  const second = await put(two, '/a');
  assert.deepEqual([(await one.list({ prefix: '' })).items.map((item) => item.key), (await two.get('/a'))?.modRevision], [['/a'], second]);
  await assert.rejects(put(one, '-more/b'), is('Invalid', /begins with a slash/));
  // A cache of the first store waits for the revision it was told, which is the second's write.
  assert.equal(await one.revision(), second);
  const { value } = await progress.next() as { value: { events: readonly StorageEvent[]; revision: number } };
  assert.deepEqual([value.events, value.revision], [[], second]);
});

test('a login that has run out is made anew; a wrong one is told as such', { skip, timeout: 60_000 }, async (t) => {
  const etcd = await etcdOf(t, { args: ['--auth-token-ttl', '1'] });
  const ask = async (path: string, body: object): Promise<void> => {
    const response = await fetch(`${etcd.endpoints[0]}/v3/auth/${path}`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(response.status, 200, `${path}: ${await response.text()}`);
  };
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  for (const name of ['root', 'copepod']) {
    await ask('user/add', { name, password: `${name}-secret` });
    await ask('role/add', { name });
    await ask('user/grant', { user: name, role: name });
  }
  await ask('role/grant', { name: 'copepod', perm: { permType: 'READWRITE', key: encode('/copepod/'), range_end: encode('/copepod0') } });
  await ask('role/grant', { name: 'copepod', perm: { permType: 'READ', key: encode('\0'), range_end: encode('\0') } });
  await ask('enable', {});
  const user = { name: 'copepod', password: 'copepod-secret' };
  const storage = await openedOn(t, etcd, { prefix: '/copepod', user });
  const heard = listen(t, storage, '/', await storage.revision());
  const first = await put(storage, '/a');
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await put(storage, '/a', first, 'later');
  await until('both', () => heard.length === 2);
  await assert.rejects(openEtcdStorage({ endpoints: etcd.endpoints, user: { ...user, password: 'wrong' } }), is('Invalid', /refuses the login of copepod/));
  await assert.rejects(openEtcdStorage({ endpoints: etcd.endpoints }), is('Unavailable', /refuses this user|user/));
  const elsewhere = await openedOn(t, etcd, { prefix: '/elsewhere', user });
  await assert.rejects(put(elsewhere, '/a'), is('Unavailable', /permission denied/));
});

test('certificates are shown and asked for', { skip, timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-etcd-pki-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const now = Date.now();
  const [authority, stranger] = [await createAuthority('etcd-ca', now), await createAuthority('other-ca', now)];
  const options = { subject: { commonName: 'etcd' }, usage: ['server', 'client'], names: ['127.0.0.1', 'localhost'], now } as const;
  const { cert, key } = await issue(authority, options);
  const file = (name: string, pem: string): string => {
    writeFileSync(join(folder, name), pem, { mode: 0o600 });
    return join(folder, name);
  };
  const etcd = await etcdOf(t, { tls: { ca: file('ca.crt', authority.cert), cert: file('etcd.crt', cert), key: file('etcd.key', key) } });
  const storage = await openedOn(t, etcd, { tls: { ca: authority.cert, cert, key } });
  assert.equal((await storage.get('/none')), undefined);
  await put(storage, '/a');
  await assert.rejects(openEtcdStorage({ endpoints: etcd.endpoints, tls: { ca: stranger.cert, cert, key } }), is('Unavailable'));
  await assert.rejects(openEtcdStorage({ endpoints: etcd.endpoints, tls: { ca: authority.cert } }), is('Unavailable'));
});

test('endpoints that make no sense are told before anything is tried', { skip: false }, async () => {
  const refused = (options: EtcdStorageOptions, words: RegExp): Promise<void> => assert.rejects(openEtcdStorage(options), is('Invalid', words));
  await refused({ endpoints: [] }, /no etcd endpoint/);
  await refused({ endpoints: ['ftp://x'] }, /not an etcd endpoint/);
  await refused({ endpoints: ['http://127.0.0.1:1'], tls: { cert: 'c', key: 'k' } }, /not https/);
});
