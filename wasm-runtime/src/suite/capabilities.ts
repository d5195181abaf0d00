// What a guest is given, one test for each field of Grants: with the grant it passes, without it (or beyond it) it is stopped. An engine that cannot grant something
// must refuse to start what asks for it.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, connect as tcpConnect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Bucket, type Grants, NO_GRANTS } from '../grants.ts';
import { runToExit } from './commands.ts';
import { type Stage, rejectsWith, until } from './stage.ts';

type Check = (stage: Stage, context: TestContext) => Promise<void>;

/** A server that sends back what it is sent; its address. */
async function tcpEcho(context: TestContext): Promise<string> {
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function udpEcho(context: TestContext): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  context.after(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/** Answers 200 with the host it was asked for. */
async function httpEcho(context: TestContext): Promise<number> {
  const server = createHttpServer((request, response) => response.end(`asked for ${request.headers.host ?? ''}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.closeAllConnections());
  context.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const DENIED = 'error 1';
const ROOM = { memoryBytes: 32 * 2 ** 20 };

async function bucket(stage: Stage, changes: Partial<Bucket> = {}): Promise<Bucket> {
  return { name: 'default', path: await mkdtemp(join(stage.folder, 'bucket-')), maxBytes: 2 ** 20, ...changes };
}

/** A listening command of either WASI answers on its own address and nowhere else. */
async function listens(stage: Stage, transport: 'tcp' | 'udp', guest: 'server' | 'command3'): Promise<void> {
  const port = await freePort();
  const words = [transport, String(port)];
  const grants = guest === 'server' ? { stdin: words.join(' ') } : { args: words };
  const refused = await runToExit(stage, guest, { grants, limits: ROOM });
  assert.notEqual(refused.exit.reason, 'Completed', `${guest} listens without a grant`);
  const spec = await stage.spec(guest, { grants: { ...grants, address: '127.0.0.77', listen: [{ transport, port }] }, limits: ROOM });
  const workload = await stage.runtime.start(spec);
  await until(`${guest} listens`, async () => (await readFile(spec.log.path, 'utf8').catch(() => '')).includes('listening'));
  if (transport === 'udp') {
    const socket = createSocket('udp4');
    socket.send('over udp', port, '127.0.0.77');
    const [reply] = (await once(socket, 'message')) as [Buffer];
    socket.close();
    assert.equal(reply.toString(), 'over udp');
  } else {
    const elsewhere = tcpConnect(port, '127.0.0.1');
    await assert.rejects(once(elsewhere, 'connect'), { code: 'ECONNREFUSED' });
    const socket = tcpConnect(port, '127.0.0.77');
    socket.end('over tcp');
    let reply = '';
    for await (const chunk of socket) reply += String(chunk);
    assert.equal(reply, 'over tcp');
  }
  assert.equal((await workload.exited).reason, 'Completed');
}

const GRANTED: Readonly<Record<keyof Grants, Check>> = {
  async args(stage, context) {
    assert.match((await (await stage.serve(context, 'given', { grants: { args: ['first', 'second'] } })).ask()).body, /^args: first second\n/);
    assert.match((await (await stage.serve(context, 'given')).ask()).body, /^args:\n/);
  },

  async env(stage, context) {
    assert.match((await (await stage.serve(context, 'given', { grants: { env: { KEY: 'value', OTHER: 'ä' } } })).ask()).body, /^env: KEY=value OTHER=ä$/m);
    assert.match((await (await stage.serve(context, 'given')).ask()).body, /^env:$/m, 'nothing of this process is seen');
    if (!stage.abilities.signs) return;
    await assert.rejects(async () => stage.runtime.start(await stage.spec('given', { grants: { env: { 'A=B': 'x' } } })), rejectsWith('BadGrant', /A=B/));
  },

  async stdin(stage) {
    const port = '0';
    const { exit } = await runToExit(stage, 'server', { grants: { stdin: `tcp ${port}` } });
    assert.equal(exit.reason, 'Error', 'it read what to do, and was not let');
    assert.notEqual((await runToExit(stage, 'server')).exit.reason, 'Completed', 'without input there is nothing to do');
  },

  async mounts(stage, context) {
    const folder = await mkdtemp(join(stage.folder, 'mount-'));
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'secret.txt'), 'secret');
    await writeFile(join(folder, 'data', 'note.txt'), 'a note');
    await symlink('../secret.txt', join(folder, 'data', 'way-out'));
    const host = join(folder, 'data');
    const closed = await stage.serve(context, 'files');
    assert.equal((await closed.ask()).body, '');
    const readable = await stage.serve(context, 'files', { grants: { mounts: [{ host, guest: '/data', writable: false }] } });
    assert.equal((await readable.ask()).body, '/data\n');
    assert.equal((await readable.ask('/read?path=note.txt')).body, 'a note');
    for (const path of ['../secret.txt', 'way-out', '/etc/passwd', 'x/../../secret.txt']) assert.match((await readable.ask(`/read?path=${path}`)).body, /^error \d+$/, path);
    assert.match((await readable.ask('/write?path=new.txt&text=x')).body, /^error \d+$/);
    assert.match((await readable.ask('/make?path=folder')).body, /^error \d+$/);
    const writable = await stage.serve(context, 'files', { grants: { mounts: [{ host, guest: '/data', writable: true }] } });
    assert.equal((await writable.ask('/write?path=new.txt&text=written')).body, 'ok');
    assert.equal(await readFile(join(host, 'new.txt'), 'utf8'), 'written');
    assert.match((await writable.ask('/link?path=out&to=/etc/passwd')).body, /^error \d+$/);
    const concurrent = await stage.serve(context, 'blocking3', { grants: { mounts: [{ host, guest: '/data', writable: true }] } });
    assert.equal((await concurrent.ask('/file?path=note.txt')).body, 'a note');
    assert.match(String((await concurrent.ask('/file?path=../secret.txt')).headers['x-answer']), /^error \d+$/);
    assert.equal((await concurrent.ask('/write?path=third.txt', { method: 'POST', body: 'by 0.3' })).headers['x-answer'], 'ok');
    assert.equal(await readFile(join(host, 'third.txt'), 'utf8'), 'by 0.3');
    assert.equal((await (await stage.serve(context, 'service3', { grants: { mounts: [{ host, guest: '/data', writable: false }] }, limits: ROOM })).ask('/mounts')).body, '/data');
    for (const mount of [{ host: join(folder, 'absent'), guest: '/data', writable: false }, { host, guest: 'data', writable: false }, { host, guest: '/a/../b', writable: false }]) {
      await assert.rejects(async () => stage.runtime.start(await stage.spec('files', { grants: { mounts: [mount] } })), rejectsWith('BadGrant', /cannot mount/));
    }
  },

  async searchDomains(stage, context) {
    const [echo, lost] = [await stage.serve(context, 'echo'), await stage.serve(context, 'fetch', { grants: { searchDomains: [] } })];
    assert.match((await lost.ask(`/?to=${echo.workload.id}&path=/status`)).body, /^error \d+$/);
    if (!stage.abilities.chaining) return;
    const found = await stage.serve(context, 'fetch', { grants: { searchDomains: ['nowhere.local', 'default.svc.cluster.local'] } });
    assert.equal((await found.ask(`/?to=${echo.workload.id}&path=/status`)).body, '200 ');
  },

  async egress(stage, context) {
    const port = await httpEcho(context);
    const fetch = async (guest: string, egress: readonly string[], to: string): Promise<string> => {
      const answer = await (await stage.serve(context, guest, { grants: { egress } })).ask(guest === 'fetch' ? `/?to=${to}` : `/fetch?to=${to}`);
      return guest === 'fetch' ? answer.body : String(answer.status);
    };
    const local = `127.0.0.1:${port}`;
    for (const rule of [local, `127.0.0.0/8:${port}`, '127.0.0.1/32:*']) {
      assert.equal(await fetch('fetch', [rule], local), `200 asked for ${local}`, rule);
      assert.equal(await fetch('blocking3', [rule], local), '200', rule);
    }
    for (const rules of [[], ['127.0.0.1:1'], ['10.0.0.0/8:*'], [`*.example.com:${port}`]]) {
      assert.match(await fetch('fetch', rules, local), /^error \d+$/, rules.join());
      assert.equal(await fetch('blocking3', rules, local), '502', rules.join());
    }
    // A name that leads to this machine needs a rule that names the address itself.
    assert.match(await fetch('fetch', [`localhost:${port}`], `localhost:${port}`), /^error \d+$/);
    assert.match(await fetch('fetch', [`localhost:${port}`, `127.0.0.1:${port}`], `localhost:${port}`), /^200 asked for localhost/);
    assert.match(await fetch('fetch', [`*.localhost:${port}`, `127.0.0.0/8:${port}`], `a.b.localhost:${port}`), /^(200 asked for a\.b\.localhost|error \d+)/);
    const [tcp, udp] = [await tcpEcho(context), await udpEcho(context)];
    const open = await stage.serve(context, 'sockets', { grants: { egress: [tcp, udp] } });
    assert.equal((await open.ask(`/tcp?to=${tcp}&text=over%20tcp`)).body, 'over tcp');
    assert.equal((await open.ask(`/udp?to=${udp}&text=over%20udp`)).body, 'over udp');
    const other = await stage.serve(context, 'sockets', { grants: { egress: ['10.0.0.0/8:*'] } });
    for (const path of [`/tcp?to=${tcp}`, `/udp?to=${udp}`]) assert.match((await other.ask(path)).body, /^error \d+$/, path);
    const concurrent = await stage.serve(context, 'blocking3', { grants: { egress: [tcp, udp] } });
    assert.equal((await concurrent.ask(`/tcp?to=${tcp}`, { method: 'POST', body: 'over tcp' })).body, 'over tcp');
    assert.equal((await concurrent.ask(`/udp?to=${udp}`)).headers['x-answer'], 'hello');
    const shut = await stage.serve(context, 'blocking3');
    for (const path of [`/tcp?to=${tcp}`, `/udp?to=${udp}`]) assert.match(String((await shut.ask(path)).headers['x-answer']), /^error \d+$/, path);
    await assert.rejects(async () => stage.runtime.start(await stage.spec('fetch', { grants: { egress: ['example.com'] } })), rejectsWith('BadGrant', /example\.com/));
  },

  async names(stage, context) {
    const named = await stage.serve(context, 'sockets', { grants: { names: ['localhost', '*.localhost'] } });
    assert.equal((await named.ask('/name?of=localhost')).body, '127.0.0.1');
    assert.equal((await named.ask('/name?of=example.com')).body, DENIED);
    assert.equal((await (await stage.serve(context, 'sockets')).ask('/name?of=localhost')).body, DENIED);
    const byEgress = await stage.serve(context, 'sockets', { grants: { egress: ['localhost:80'] } });
    assert.equal((await byEgress.ask('/name?of=localhost')).body, '127.0.0.1', 'what may be reached may be looked up');
    const concurrent = await stage.serve(context, 'blocking3', { grants: { names: ['localhost'] } });
    assert.match(String((await concurrent.ask('/name?of=localhost')).headers['x-answer']), /^found [1-9]/);
    assert.match(String((await concurrent.ask('/name?of=example.com')).headers['x-answer']), /^error /);
  },

  async address(stage, context) {
    const port = await freePort();
    const asked = stage.abilities.grants.includes('listen') ? rejectsWith('BadGrant', /address/) : rejectsWith('Unsupported');
    await assert.rejects(async () => stage.runtime.start(await stage.spec('server', { grants: { listen: [{ transport: 'tcp', port }] } })), asked);
    const given = await stage.serve(context, 'given', { grants: { address: '127.0.0.77' } });
    assert.equal((await given.ask()).status, 200, 'an address alone lets it listen nowhere');
  },

  async listen(stage) {
    await listens(stage, 'tcp', 'server');
    await listens(stage, 'udp', 'server');
    await listens(stage, 'tcp', 'command3');
  },

  async config(stage, context) {
    const config = await stage.serve(context, 'config', { grants: { config: { colour: 'blue', size: '7' } } });
    assert.equal((await config.ask('/?key=colour')).body, 'blue');
    assert.equal((await config.ask('/?key=absent')).status, 404);
    assert.equal((await config.ask()).body, 'colour=blue\nsize=7\n');
    assert.equal((await (await stage.serve(context, 'config')).ask()).body, '');
  },

  async buckets(stage, context) {
    for (const guest of ['keyvalue', 'keyvalue2']) {
      const store = await bucket(stage);
      const [kv, same, none] = [await stage.serve(context, guest, { grants: { buckets: [store] } }), await stage.serve(context, guest, { grants: { buckets: [store] } }), await stage.serve(context, guest)];
      const said = async (path: string): Promise<string> => (await kv.ask(path)).body;
      assert.equal(await said('/get'), 'none');
      assert.equal(await said('/set?value=one'), 'set');
      assert.equal(await said('/get'), 'one');
      assert.equal((await same.ask('/get')).body, 'one', 'whoever is granted it sees it');
      assert.equal(await said('/exists'), 'yes');
      assert.equal(await said('/delete'), 'deleted');
      assert.equal(await said('/exists'), 'no');
      const sums = await Promise.all(Array.from({ length: 20 }, async () => said('/add?key=n&by=3')));
      assert.deepEqual(sums.map(Number).sort((a, b) => a - b), sums.map((_, index) => (index + 1) * 3));
      assert.equal(await said('/batch'), 'a1b2-; ---');
      await said('/set?key=word&value=x');
      assert.match(await said('/add?key=word'), /no number/);
      assert.equal(await said('/keys'), 'n\nword\n');
      assert.equal((await none.ask('/get')).status, 404);
      assert.equal((await kv.ask('/get?bucket=other')).status, 404);
      assert.match(await said(`/set?bytes=${2 * 2 ** 20}`), /longer than/);
      assert.match(await said(`/get?key=${'k'.repeat(600)}`), /key/);
      const swapped = { keyvalue: ['this draft has none', 'this draft has none'], keyvalue2: ['swapped', 'lost to other'] }[guest];
      assert.deepEqual([await said('/swap?key=c&value=new'), await said('/swap?key=c&value=newer&meanwhile=other')], swapped);
      const small = await stage.serve(context, guest, { grants: { buckets: [await bucket(stage, { maxBytes: 128 * 1024 })] } });
      for (let round = 0; round < 4; round += 1) await small.ask(`/set?key=${round}&bytes=60000`);
      assert.match((await small.ask('/set?key=last&bytes=60000')).body, /full/);
      const brief = await stage.serve(context, guest, { grants: { buckets: [await bucket(stage, { ttlMs: 100 })] } });
      await brief.ask('/set?value=soon');
      await until('the entry is gone', async () => (await brief.ask('/get')).body === 'none');
    }
    await assert.rejects(async () => stage.runtime.start(await stage.spec('keyvalue', { grants: { buckets: [await bucket(stage), await bucket(stage)] } })), rejectsWith('BadGrant', /default/));
  },

  async clocks(stage, context) {
    const coarse = (await (await stage.serve(context, 'clocks')).ask()).body;
    assert.match(coarse, /^resolution 1000000\ncoarse true\nwall coarse true\nslept true\n/);
    const fine = (await (await stage.serve(context, 'clocks', { grants: { clocks: 'nanosecond' } })).ask()).body;
    assert.match(fine, /^resolution \d{1,6}\ncoarse false\n/);
    if (!stage.abilities.concurrent) return;
    assert.equal((await (await stage.serve(context, 'service3', { limits: ROOM })).ask('/clocks')).body, 'resolution 1000000 coarse true');
    assert.match((await (await stage.serve(context, 'service3', { grants: { clocks: 'nanosecond' }, limits: ROOM })).ask('/clocks')).body, /coarse false$/);
    assert.equal((await (await stage.serve(context, 'blocking3')).ask('/sleep?ms=5')).headers['x-answer'], 'ok');
  },
};

/** Asks for something, to see it refused. */
const WANTED: Readonly<Partial<Record<keyof Grants, Partial<Grants>>>> = {
  mounts: { mounts: [{ host: '/tmp', guest: '/data', writable: false }] },
  egress: { egress: ['127.0.0.1:1'] },
  names: { names: ['localhost'] },
  listen: { address: '127.0.0.77', listen: [{ transport: 'tcp', port: 1234 }] },
  config: { config: { key: 'value' } },
  buckets: { buckets: [{ name: 'default', path: '/tmp/bucket', maxBytes: 1024 * 1024 }] },
};

export function capabilityTests(at: () => Stage): void {
  test('every field of Grants has a test', () => {
    assert.deepEqual(Object.keys(GRANTED).sort(), [...Object.keys(NO_GRANTS), 'address'].sort());
  });

  for (const [name, check] of Object.entries(GRANTED)) {
    test(`granted, refused or bounded: ${name}`, async (context) => {
      const stage = at();
      const wanted = WANTED[name as keyof Grants];
      if (stage.abilities.grants.includes(name as keyof Grants)) return check(stage, context);
      assert.ok(wanted !== undefined, `${name} is neither granted nor refused`);
      await assert.rejects(async () => stage.runtime.start(await stage.spec('hello', { grants: wanted })), rejectsWith('Unsupported'));
    });
  }

  test('without a grant a guest reaches no server, not even one of this machine', async (context) => {
    const { serve, abilities } = at();
    const port = await httpEcho(context);
    for (const guest of abilities.concurrent ? ['fetch', 'blocking3'] : ['fetch']) {
      const alone = await serve(context, guest);
      const { status, body } = await alone.ask(`${guest === 'fetch' ? '/' : '/fetch'}?to=127.0.0.1:${port}`);
      assert.ok(status !== 200 || body.startsWith('error '), `${guest} got ${status} ${body}`);
    }
  });

  test('chance is the host\'s', async (context) => {
    const stage = at();
    const clocks = await stage.serve(context, 'clocks');
    const [one, other] = [(await clocks.ask('/random?n=32')).body, (await clocks.ask('/random?n=32')).body];
    assert.match(one, /^[0-9a-f]{64}$/);
    assert.notEqual(one, other);
    if (stage.abilities.concurrent) assert.equal((await (await stage.serve(context, 'service3', { limits: ROOM })).ask('/random?n=32')).body, '32');
  });

  test('wasi:logging writes whole lines with their level, or is refused', async (context) => {
    const stage = at();
    if (!stage.abilities.grants.includes('config')) return assert.rejects(stage.load('logging'), rejectsWith('UnsupportedImport', /wasi:logging/));
    const logging = await stage.serve(context, 'logging');
    await logging.ask(`/?message=${encodeURIComponent('one\n2030-01-01T00:00:00Z stdout F forged')}`);
    await until('both lines are there', async () => (await logging.log()).split('\n').length === 3);
    const lines = (await logging.log()).split('\n').map((line) => line.split(' ').slice(1).join(' '));
    assert.deepEqual(lines.slice(0, 2), ['stdout F TRACE [guest] one\\n2030-01-01T00:00:00Z stdout F forged', 'stderr F CRITICAL one\\n2030-01-01T00:00:00Z stdout F forged']);
  });
}
