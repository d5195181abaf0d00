// Several servers behind one transport, with real servers: who is asked, who is left, and what is never asked twice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createFailoverTransport, createHttpsTransport, isTransportError, parseKubeconfig, type Transport } from './index.ts';

interface Served {
  readonly url: string;
  readonly asked: string[];
  stop(): void;
}

async function serve(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Served> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  t.after(stop);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, stop };
}

const json = (body: object, status = 200) => (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

function over(t: TestContext, ...servers: readonly Served[]): Transport {
  const transport = createFailoverTransport(servers.map(({ url }) => createHttpsTransport({ server: url, timeoutMs: 500 })));
  t.after(() => transport.close());
  return transport;
}

test('a server that is gone is left for the next, and not asked again while that one answers', async (t) => {
  const [one, two] = [await serve(t, json({ from: 1 })), await serve(t, json({ from: 2 }))];
  const transport = over(t, one, two);
  assert.deepEqual((await transport.request({ method: 'GET', path: '/a' })).body, { from: 1 });
  one.stop();
  assert.deepEqual((await transport.request({ method: 'GET', path: '/b' })).body, { from: 2 });
  assert.deepEqual((await transport.request({ method: 'POST', path: '/c', body: {} })).body, { from: 2 });
  assert.deepEqual([one.asked, two.asked], [['GET /a'], ['GET /b', 'POST /c']]);
});

test('a write whose connection broke is not sent again, a read is', async (t) => {
  const breaking = await serve(t, (request) => request.socket.destroy());
  const fine = await serve(t, json({}));
  const transport = over(t, breaking, fine);
  await assert.rejects(transport.request({ method: 'PATCH', path: '/a', body: {} }), (error) => isTransportError(error, 'ConnectionLost'));
  assert.deepEqual(fine.asked, []);
  assert.equal((await transport.request({ method: 'GET', path: '/b' })).status, 200);
  assert.deepEqual(fine.asked, ['GET /b']);
});

test('a server without a store is passed over by reads', async (t) => {
  const [empty, fine] = [await serve(t, json({}, 503)), await serve(t, json({}))];
  const transport = over(t, empty, fine);
  assert.equal((await transport.request({ method: 'GET', path: '/a' })).status, 200);
  assert.equal((await transport.request({ method: 'GET', path: '/b' })).status, 200);
  assert.deepEqual(empty.asked, ['GET /a']);
});

test('a watch of a server that says nothing more ends when another request finds it silent', async (t) => {
  let silent = false;
  const one = await serve(t, (request, response) => {
    if (request.url?.startsWith('/watch') === true) response.writeHead(200, { 'content-type': 'application/json' }).write('{"type":"ADDED","object":{}}\n');
    else if (!silent) json({})(request, response);
  });
  const two = await serve(t, json({}));
  const transport = over(t, one, two);
  const watch = transport.watch({ method: 'GET', path: '/watch' })[Symbol.asyncIterator]();
  assert.equal((await watch.next()).value?.type, 'ADDED');
  const broken = assert.rejects(watch.next(), (error) => isTransportError(error, 'ConnectionLost'));
  silent = true;
  assert.equal((await transport.request({ method: 'GET', path: '/beat' })).status, 200);
  await broken;
  assert.deepEqual(two.asked, ['GET /beat']);
});

test('when no server answers the error is the last one\'s', async (t) => {
  const [one, two] = [await serve(t, json({})), await serve(t, json({}))];
  const transport = over(t, one, two);
  one.stop();
  two.stop();
  await assert.rejects(transport.request({ method: 'GET', path: '/a' }), (error) => isTransportError(error, 'Unreachable') && error.server === two.url);
});

test('a kubeconfig may name further servers of its cluster', async () => {
  const kubeconfig = (servers: unknown): string => JSON.stringify({
    'current-context': 'c', contexts: [{ name: 'c', context: { cluster: 'k' } }],
    clusters: [{ name: 'k', cluster: { server: 'https://a:1/', extensions: [{ name: 'copepod.dev/servers', extension: { servers } }] } }],
  });
  const { server, others } = await parseKubeconfig(kubeconfig(['https://b:1/', 'https://c:1']), 'test');
  assert.deepEqual([server, others], ['https://a:1', ['https://b:1', 'https://c:1']]);
  await assert.rejects(parseKubeconfig(kubeconfig(['not a url']), 'test'), /names "not a url", which is not a URL/);
});
