// Volumes as directories of the node.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Pod } from '@copepod/api/kinds';
import type { Mount } from '../runtime/index.ts';
import { ConfigError } from './config-error.ts';
import type { KeptData, KeptKind } from './kept-data.ts';
import { prepareVolumes } from './volumes.ts';

type Spec = NonNullable<Pod['spec']>;

/** ConfigMaps and Secrets by `kind/name`, as an API would answer. */
function kept(objects: Readonly<Record<string, Readonly<Record<string, string>>>>): KeptData {
  const find = (kind: KeptKind, name: string): Readonly<Record<string, string>> | undefined => objects[`${kind}/${name}`];
  return {
    text: async (kind, name) => find(kind, name),
    bytes: async (kind, name) => {
      const found = find(kind, name);
      return found && new Map(Object.entries(found).map(([key, text]) => [key, Buffer.from(text)]));
    },
  };
}

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'copepod-volumes-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Setting {
  readonly folder: string;
  readonly objects?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly allowHostPaths?: boolean;
  readonly readOnly?: boolean;
}

/** Mounts each volume at its own name. */
async function prepare(volumes: NonNullable<Spec['volumes']>, { folder, objects = {}, allowHostPaths = false, readOnly }: Setting): Promise<readonly Mount[]> {
  const container = { name: 'web', image: 'web', volumeMounts: volumes.map(({ name }) => ({ name, mountPath: `/${name}`, readOnly })) };
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [container], volumes } };
  return prepareVolumes(pod, container, { folder, kept: kept(objects), allowHostPaths });
}

const refused = (pattern: RegExp) => (error: unknown): boolean => error instanceof ConfigError && pattern.test(error.message);

test('an emptyDir is a directory of the pod\'s own that keeps what is in it, and is written to unless the mount says not', async (t) => {
  const folder = await temporary(t);
  const [mount] = await prepare([{ name: 'work', emptyDir: {} }], { folder });
  assert.deepEqual(mount, { host: join(folder, 'work'), guest: '/work', writable: true });
  await writeFile(join(folder, 'work', 'kept'), 'x');
  const [again] = await prepare([{ name: 'work', emptyDir: {} }], { folder, readOnly: true });
  assert.equal(again?.writable, false);
  assert.deepEqual(await readdir(join(folder, 'work')), ['kept']);
});

test('files of a ConfigMap and a Secret are read-only to the guest, a Secret\'s the agent\'s alone, and are written anew for each start', async (t) => {
  const folder = await temporary(t);
  const volumes = [{ name: 'config', configMap: { name: 'app' } }, { name: 'keys', secret: { secretName: 'tls' } }];
  const mounts = await prepare(volumes, { folder, objects: { 'ConfigMap/app': { 'a.txt': 'one', gone: 'x' }, 'Secret/tls': { key: 'secret' } } });
  assert.deepEqual(mounts.map(({ writable }) => writable), [false, false]);
  assert.equal(await readFile(join(folder, 'config', 'a.txt'), 'utf8'), 'one');
  assert.equal((await stat(join(folder, 'keys', 'key'))).mode & 0o777, 0o600);
  await prepare(volumes, { folder, objects: { 'ConfigMap/app': { 'a.txt': 'two' }, 'Secret/tls': { key: 'secret' } } });
  assert.deepEqual(await readdir(join(folder, 'config')), ['a.txt']);
  assert.equal(await readFile(join(folder, 'config', 'a.txt'), 'utf8'), 'two');
  assert.deepEqual((await readdir(folder)).sort(), ['config', 'keys']);
});

test('items choose keys and say where they go; what is optional may be absent', async (t) => {
  const folder = await temporary(t);
  const objects = { 'ConfigMap/app': { a: 'A', b: 'B' } };
  await prepare([{ name: 'config', configMap: { name: 'app', items: [{ key: 'b', path: 'deep/er/b' }] } }], { folder, objects });
  assert.deepEqual((await readdir(join(folder, 'config'), { recursive: true })).sort(), ['deep', 'deep/er', 'deep/er/b']);
  await prepare([{ name: 'none', secret: { secretName: 'nowhere', optional: true } }, { name: 'some', configMap: { name: 'app', optional: true, items: [{ key: 'a', path: 'a' }, { key: 'z', path: 'z' }] } }], { folder, objects });
  assert.deepEqual([await readdir(join(folder, 'none')), await readdir(join(folder, 'some'))], [[], ['a']]);
  await assert.rejects(prepare([{ name: 'x', secret: { secretName: 'nowhere' } }], { folder, objects }), refused(/^Secret "nowhere" not found$/));
  await assert.rejects(prepare([{ name: 'x', configMap: { name: 'app', items: [{ key: 'z', path: 'z' }] } }], { folder, objects }), refused(/^ConfigMap "app" has no key "z"$/));
});

test('no key leads out of the volume', async (t) => {
  const folder = await temporary(t);
  await assert.rejects(prepare([{ name: 'config', configMap: { name: 'app' } }], { folder, objects: { 'ConfigMap/app': { '..': 'x' } } }), refused(/^the key \.\. of ConfigMap "app" cannot be a file$/));
});

test('a directory of the node is mounted only where the agent allows it, and only when it is one', async (t) => {
  const folder = await temporary(t);
  const path = join(folder, 'host');
  const volume = (type?: string): NonNullable<Spec['volumes']> => [{ name: 'data', hostPath: { path, type } }];
  await assert.rejects(prepare(volume('DirectoryOrCreate'), { folder }), refused(/--allow-host-paths/));
  await assert.rejects(prepare(volume(), { folder, allowHostPaths: true }), refused(/cannot be mounted: ENOENT/));
  assert.deepEqual(await prepare(volume('DirectoryOrCreate'), { folder, allowHostPaths: true }), [{ host: path, guest: '/data', writable: true }]);
  assert.deepEqual(await prepare(volume(), { folder, allowHostPaths: true, readOnly: true }), [{ host: path, guest: '/data', writable: false }]);
  await rm(path, { recursive: true });
  await writeFile(path, '');
  await assert.rejects(prepare(volume('Directory'), { folder, allowHostPaths: true }), refused(/is no directory/));
});
