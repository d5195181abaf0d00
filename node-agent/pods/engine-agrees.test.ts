// What the API lets a pod ask for, the engine takes: both ends of every limit, every form of a rule, a bucket and a reuse.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ANNOTATED_LIMITS, type LimitRange, RESOURCE_LIMITS } from '@copepod/api/guest';
import type { Pod } from '@copepod/api/kinds';
import { openRuntime } from '../runtime/index.ts';
import { workloadSpec } from './workload-spec.ts';

const root = dirname(dirname(import.meta.dirname));
const addon = join(root, 'wasm-runtime', 'build', `copepod-${process.platform}-${process.arch}.node`);
const WRITE: Readonly<Record<LimitRange['unit'], (value: number) => string>> = { bytes: String, millicores: (value) => `${value}m`, milliseconds: (value) => `${value}ms`, pieces: String };

test('the engine takes all that the API lets through', { skip: existsSync(addon) ? false : 'the wasmtime addon is not built' }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'copepod-agrees-'));
  const runtime = openRuntime({ engine: 'wasmtime' });
  t.after(async () => {
    await runtime.close();
    await rm(folder, { recursive: true, force: true });
  });
  const compiled = join(folder, 'hello.cwasm');
  await runtime.compile(join(root, 'examples', 'hello-tiny', 'build', 'hello-tiny.wasm'), compiled);
  const component = await runtime.load(compiled);
  let count = 0;
  const start = async (annotations: Readonly<Record<string, string>>, limits: Readonly<Record<string, string>> = {}): Promise<void> => {
    count += 1;
    const container = { name: 'web', image: 'web', resources: { limits }, ports: [{ containerPort: 8080 }] };
    const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'default', annotations }, spec: { containers: [container] } };
    const request = { pod, container, kind: component.info.kind, podIP: '127.128.0.1', env: {}, config: {}, mounts: [], bucketFolder: join(folder, String(count)) };
    const workload = await runtime.start({ id: `w${count}`, component, log: { path: join(folder, 'log'), maxBytes: 1000 }, ...workloadSpec(request) });
    await workload.stop(0);
  };
  for (const [resource, range] of RESOURCE_LIMITS) {
    for (const value of [range.least, range.most]) await start({}, { [resource]: WRITE[range.unit](value) });
  }
  for (const [name, range] of ANNOTATED_LIMITS) {
    // The guest itself begins with a table of five.
    for (const value of [Math.max(range.least, range.field === 'tableElements' ? 5 : 0), range.most]) await start({ [`copepod.dev/${name}`]: WRITE[range.unit](value) });
  }
  const others = {
    egress: ['localhost:80', 'a_b.example.com.:443', '*.example.com:*', '10.0.0.0/8:1', '0.0.0.0/0:65535', '[::1]:9', '[2001:db8::]/32:*'], names: ['*.example.com,db'],
    clocks: ['nanosecond'], keyvalue: ['default', 'a:256Ki:ttl=1ms,b-_.c:4Gi'], reuse: ['pooled', 'pooled(max=1000000,idle=1d,concurrent=1000)', 'pooled(max=1,idle=100ms)'], warm: ['1'], 'access-log': ['true'],
  };
  for (const [name, texts] of Object.entries(others)) for (const text of texts) await start({ [`copepod.dev/${name}`]: text });
  assert.ok(count > 30);
});
