// Components on a node: compiled once for all who want them, with word of it; changed ones compiled anew; none kept in memory that nobody uses.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Transport } from '@copepod/client/rest';
import { openRuntime, type Runtime } from '../runtime/index.ts';
import { type ComponentSource, createComponentSource, ImageError } from './index.ts';

const root = dirname(dirname(import.meta.dirname));
const addon = join(root, 'wasm-runtime', 'build', `copepod-${process.platform}-${process.arch}.node`);
const skip = existsSync(addon) ? false : 'the wasmtime addon is not built';
const example = (name: string): string => join(root, 'examples', name, 'build', `${name}.wasm`);

/** Files need no control plane. */
const nowhere: Transport = {
  request: () => Promise.reject(new Error('no server')),
  close: async () => {},
  stream: () => {
    throw new Error('no server');
  },
  watch: () => {
    throw new Error('no server');
  },
};

function open(t: TestContext, cacheBytes = 2 ** 30): { readonly folder: string; readonly runtime: Runtime; readonly source: ComponentSource } {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-source-'));
  const runtime = openRuntime({ engine: 'wasmtime' });
  t.after(async () => {
    await runtime.close();
    rmSync(folder, { recursive: true, force: true });
  });
  let time = 0;
  const source = createComponentSource({ folder, runtime, transport: nowhere, allowFileImages: true, cacheBytes, now: () => (time += 1000) });
  return { folder, runtime, source };
}

function compiledIn(folder: string): readonly string[] {
  return readdirSync(join(folder, 'compiled'), { recursive: true }).map(String).filter((path) => path.endsWith('.cwasm')).map((path) => join(folder, 'compiled', path));
}

test('a component is compiled once for all who ask for it, and each hears of it', { skip }, async (t) => {
  const { folder, source } = open(t);
  const heard: string[][] = [[], [], []];
  const image = `file://${example('hello-tiny')}`;
  const fetched = await Promise.all(heard.map((steps) => source.fetch(image, (step) => void steps.push(step))));
  assert.equal(new Set(fetched.map(({ component }) => component)).size, 1);
  assert.ok(heard.every((steps) => steps.includes('compiling')), JSON.stringify(heard));
  assert.equal(compiledIn(folder).length, 1);
  for (const { release } of fetched) release();
  // Loaded anew, from what was compiled, when nobody had it any more.
  const steps: string[] = [];
  const again = await source.fetch(image, (step) => void steps.push(step));
  assert.notEqual(again.component, fetched[0]?.component);
  assert.deepEqual(steps, []);
});

test('what was changed on disk is compiled anew', { skip }, async (t) => {
  const { folder, source } = open(t);
  const image = `file://${example('hello-tiny')}`;
  (await source.fetch(image, () => {})).release();
  const [path = ''] = compiledIn(folder);
  const bytes = readFileSync(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const steps: string[] = [];
  await source.fetch(image, (step) => void steps.push(step));
  assert.ok(steps.includes('compiling'));
});

test('past its bound the cache drops what was used longest ago, and nothing that is in use', { skip }, async (t) => {
  const { folder, source } = open(t, 1);
  const images = ['hello-tiny', 'caller', 'counter'].map((name) => `file://${example(name)}`);
  const [first = '', second = '', third = ''] = images;
  const used = await source.fetch(first, () => {});
  (await source.fetch(second, () => {})).release();
  assert.equal(compiledIn(folder).length, 2);
  await source.fetch(third, () => {});
  const left = compiledIn(folder);
  assert.equal(left.length, 2);
  assert.ok(left.some((path) => path.includes(used.digest.slice('sha256:'.length))));
});

test('what cannot be had is an error for each who asks, and is tried again by the next', { skip }, async (t) => {
  const { folder, source } = open(t);
  const path = join(folder, 'late.wasm');
  await assert.rejects(source.fetch(`file://${path}`, () => {}), (error) => error instanceof ImageError && error.code === 'ErrImagePull');
  writeFileSync(path, 'not wasm');
  const failed = await Promise.allSettled([source.fetch(`file://${path}`, () => {}), source.fetch(`file://${path}`, () => {})]);
  assert.deepEqual(failed.map(({ status }) => status), ['rejected', 'rejected']);
  copyFileSync(example('hello-tiny'), path);
  assert.equal((await source.fetch(`file://${path}`, () => {})).component.info.kind, 'service');
});
