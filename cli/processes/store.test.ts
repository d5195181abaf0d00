// copepod store as people run it: beside a running control plane, and alone.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isExpired } from '@copepod/api/errors';
import { CONFIG_MAP, type ConfigMap } from '@copepod/api/kinds';
import { resourceClient } from '@copepod/client/rest';
import { ADMIN, type ControlPlane, startControlPlane } from '@copepod/control-plane';

const COPEPOD = join(dirname(dirname(import.meta.dirname)), 'bin', 'copepod');

async function copepod(...args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string; readonly out: string }> {
  const child = spawn(COPEPOD, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { out += chunk; text += chunk; });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
  const [code] = await once(child, 'close') as [number | null];
  return { code, text, out };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'copepod-store-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function start(t: TestContext, dataDir: string, snapshots?: { readonly folder: string; readonly everyMs: number; readonly keep: number }): Promise<ControlPlane> {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const plane = await startControlPlane({ dataDir, store: 'lmdb', host: '127.0.0.1', apiPort: 0, extraNames: [], log, snapshots });
  t.after(() => plane.close());
  return plane;
}

const configMap = (name: string, data: Record<string, string> = {}): ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data });
const names = async (plane: ControlPlane): Promise<readonly (string | undefined)[]> => (await resourceClient(plane.transportFor(ADMIN), CONFIG_MAP).list({ namespace: 'default' })).items.map((item) => item.metadata.name);

test('a snapshot of a running cluster brings it back as it was, and those who watched list again', { timeout: 120_000 }, async (t) => {
  const dataDir = folder(t);
  const backup = folder(t);
  const at = ['--data-dir', dataDir];
  const plane = await start(t, dataDir);
  const maps = resourceClient(plane.transportFor(ADMIN), CONFIG_MAP);
  await maps.create(configMap('before', { n: '1' }));

  const file = join(backup, 'snapshot');
  const taken = await copepod('store', 'snapshot', file, ...at);
  assert.equal(taken.code, 0, taken.text);
  assert.match(taken.text, /\d+ keys at revision \d+/);
  assert.match((await copepod('store', 'snapshot', file, ...at)).text, /is there already/);
  assert.match((await copepod('store', 'verify', file)).text, /is whole/);
  assert.match((await copepod('store', 'verify', ...at)).text, /is whole/);

  const after = await maps.create(configMap('after'));
  const status = await copepod('store', 'status', ...at);
  assert.match(status.text, new RegExp(`in use by +process ${process.pid}`));
  assert.match(status.text, /written_bytes_per_commit +[1-9]/);
  assert.match((await copepod('store', 'defrag', ...at)).text, /MiB before, .* MiB now/);
  const refused = await copepod('store', 'restore', file, ...at);
  assert.equal(refused.code, 1);
  assert.match(refused.text, new RegExp(`in use by process ${process.pid}.*stop the server`, 's'));
  assert.deepEqual(await names(plane), ['after', 'before']);
  await plane.close();

  const restored = await copepod('store', 'restore', file, ...at);
  assert.equal(restored.code, 0, restored.text);
  const again = await start(t, dataDir);
  assert.deepEqual(await names(again), ['before']);
  await assert.rejects(async () => {
    for await (const event of resourceClient(again.transportFor(ADMIN), CONFIG_MAP).watch({ resourceVersion: after.metadata.resourceVersion })) assert.fail(event.type);
  }, isExpired);
  const later = await resourceClient(again.transportFor(ADMIN), CONFIG_MAP).create(configMap('later'));
  assert.ok(Number(later.metadata.resourceVersion) > Number(after.metadata.resourceVersion));
});

test('an export moves a cluster into another store', { timeout: 120_000 }, async (t) => {
  const from = folder(t);
  const plane = await start(t, from);
  await resourceClient(plane.transportFor(ADMIN), CONFIG_MAP).create(configMap('moved', { text: 'a: b\n---\nc' }));
  const exported = await copepod('store', 'export', '--data-dir', from);
  assert.match(exported.out, /^copepodStore: 1\n/);
  assert.match(exported.out, /key: \/registry\/core\/configmaps\/default\/moved\n/);
  const file = join(folder(t), 'export.yaml');
  writeFileSync(file, exported.out);

  const to = folder(t);
  const imported = await copepod('store', 'import', file, '--data-dir', to);
  assert.equal(imported.code, 0, imported.text);
  const twice = await copepod('store', 'import', file, '--data-dir', to);
  assert.deepEqual([twice.code, /is in the store already/.test(twice.text)], [1, true]);
  const other = await start(t, to);
  assert.deepEqual((await resourceClient(other.transportFor(ADMIN), CONFIG_MAP).get({ namespace: 'default', name: 'moved' })).data, { text: 'a: b\n---\nc' });
});

test('what is wrong is said in words', { timeout: 120_000 }, async (t) => {
  const dataDir = folder(t);
  const notes = join(dataDir, 'notes.txt');
  writeFileSync(notes, 'not a store');
  for (const [args, words] of [
    [['snapshot', join(dataDir, 'x')], /./], [['verify', notes], /notes\.txt/], [['restore', notes], /notes\.txt/], [['import', notes], /no export of a store/], [['import', join(dataDir, 'none')], /none/],
  ] as const) {
    const { code, text } = await copepod('store', ...args, '--data-dir', dataDir);
    assert.equal(code, 1, args.join(' '));
    assert.match(text, words);
    assert.doesNotMatch(text, /\n {4}at /, text);
  }
  const plane = await start(t, dataDir);
  await plane.close();
  const file = join(dataDir, 'store', 'data.mdb');
  const content = readFileSync(file);
  for (let at = content.indexOf('kube-system'); at >= 0; at = content.indexOf('kube-system', at + 1)) content[at] = 88;
  writeFileSync(file, content);
  const damaged = await copepod('store', 'verify', '--data-dir', dataDir);
  assert.equal(damaged.code, 1);
  assert.match(damaged.text, /is damaged:.*restore a snapshot/s);
  assert.ok(statSync(file).size > 0);
});
