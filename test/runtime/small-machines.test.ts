// The engine where there is little of everything: a memory cgroup of 128 MiB, a small address space, no compiler back end.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ROOT, type Result, run } from '../cluster.ts';
import type { Served } from '../fixtures/serve-requests.ts';
import { makeMemoryCgroup } from './memory-cgroup.ts';

const MIB = 2 ** 20;
const COMPONENT = join(ROOT, 'examples/hello-tiny/build/hello-tiny.wasm');
const NODE = join(ROOT, 'bin/copepod-node');

/** Serves 500 requests in a process that `prelude`, a line of shell, has put under a limit. */
function serve(t: TestContext, prelude: string, engine = 'wasmtime'): Result {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-small-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return run('sh', ['-c', `${prelude}; exec "$0" "$@"`, NODE, join(ROOT, 'test/fixtures/serve-requests.ts'), COMPONENT, folder, '500', engine]);
}

function served(result: Result): Served {
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as Served;
}

test('in a memory cgroup of 128 MiB the engine takes a pool that fits, compiles and serves', (t) => {
  const cgroup = makeMemoryCgroup(`copepod-test-${process.pid}`, 128 * MIB);
  if (typeof cgroup === 'string') {
    t.skip(cgroup);
    return;
  }
  t.after(cgroup.remove);
  const { answers, capacity } = served(serve(t, `echo $$ > '${cgroup.procs}'`));
  assert.deepEqual(answers, { 200: 500 });
  assert.equal(capacity, 2048);
  t.diagnostic(`peak ${Math.round(cgroup.peak() / MIB)} MiB with Node, compiler and page cache`);
});

test('with a small address space the engine goes without a pool, and serves', (t) => {
  // Node itself reserves most of this.
  const { answers, capacity } = served(serve(t, `ulimit -v ${4 * 1024 * 1024}`));
  assert.deepEqual(answers, { 200: 500 });
  assert.equal(capacity, 512);
});

test('Pulley, for processors without a compiler back end, serves the same', (t) => {
  const { answers, engine } = served(serve(t, ':', 'pulley'));
  assert.deepEqual(answers, { 200: 500 });
  assert.equal(engine, 'pulley');
});
