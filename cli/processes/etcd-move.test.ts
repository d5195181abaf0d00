// One cluster from LMDB to etcd and back, as people move it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CONFIG_MAP } from '@copepod/api/kinds';
import { resourceClient } from '@copepod/client/rest';
import { ADMIN, type ControlPlane, type ControlPlaneOptions, startControlPlane } from '@copepod/control-plane';
import { etcdVersion, startLocalEtcd } from '@copepod/control-plane/local-etcd';

const COPEPOD = join(dirname(dirname(import.meta.dirname)), 'bin', 'copepod');
const binary = process.env['COPEPOD_ETCD'] ?? 'etcd';
const skip = etcdVersion(binary) === undefined ? `no etcd to run: ${binary} is not on the PATH (Debian: apt-get install etcd-server)` : false;

function copepod(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(COPEPOD, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'copepod-move-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function start(t: TestContext, dataDir: string, store: ControlPlaneOptions['store']): Promise<ControlPlane> {
  const plane = await startControlPlane({ dataDir, store, host: '127.0.0.1', apiPort: 0, extraNames: [], log: { info: () => {}, warn: () => {}, error: () => {} } });
  t.after(() => plane.close());
  return plane;
}

test('a cluster moves from LMDB to etcd, with its CA, and back', { skip, timeout: 120_000 }, async (t) => {
  const [first, files, last] = [folder(t), folder(t), folder(t)];
  const etcd = await startLocalEtcd({ folder: folder(t), binary });
  t.after(() => etcd.close());
  const endpoints = etcd.endpoints.join(',');
  const ref = { namespace: 'default', name: 'moved' };
  const data = async (plane: ControlPlane): Promise<unknown> => (await resourceClient(plane.transportFor(ADMIN), CONFIG_MAP).get(ref)).data;

  const single = await start(t, first, 'lmdb');
  // More than one commit of etcd takes.
  for (let index = 0; index < 4; index += 1) await resourceClient(single.transportFor(ADMIN), CONFIG_MAP).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name: `large-${index}` }, data: { text: 'x'.repeat(500_000) } });
  await resourceClient(single.transportFor(ADMIN), CONFIG_MAP).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: ref, data: { from: 'lmdb' } });
  await single.close();
  const ca = readFileSync(join(first, 'pki', 'ca.crt'), 'utf8');
  copepod('store', 'export', join(files, 'a.yaml'), '--data-dir', first);
  assert.match(copepod('store', 'import', join(files, 'a.yaml'), '--etcd-endpoints', endpoints), /keys imported into etcd/);

  const shared = await start(t, first, { etcd: { endpoints: etcd.endpoints, prefix: '/copepod' } });
  assert.deepEqual(await data(shared), { from: 'lmdb' });
  assert.equal(readFileSync(join(first, 'pki', 'ca.crt'), 'utf8'), ca);
  await resourceClient(shared.transportFor(ADMIN), CONFIG_MAP).patch(ref, { type: 'merge', body: { data: { from: 'etcd' } } });
  await shared.close();

  copepod('store', 'export', join(files, 'b.yaml'), '--etcd-endpoints', endpoints);
  copepod('store', 'import', join(files, 'b.yaml'), '--data-dir', last);
  assert.deepEqual(await data(await start(t, last, 'lmdb')), { from: 'etcd' });
});
