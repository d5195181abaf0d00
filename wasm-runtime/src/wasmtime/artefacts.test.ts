// Compiled files: who may make them, for which engine, and how much making them may take.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { NO_GRANTS } from '../grants.ts';
import { DEFAULT_LIMITS, FRESH } from '../limits.ts';
import { type OpenOptions, openRuntime } from '../open.ts';
import type { Runtime } from '../runtime.ts';
import { guestFile, rejectsWith } from '../suite/stage.ts';

const folder = mkdtempSync(join(tmpdir(), 'copepod-artefacts-'));
const opened: Runtime[] = [];
const open = (options: OpenOptions = {}): Runtime => {
  const runtime = openRuntime(options);
  opened.push(runtime);
  return runtime;
};
after(async () => {
  await Promise.all(opened.map(async (runtime) => runtime.close()));
  rmSync(folder, { recursive: true });
});

test('a file is loaded by who holds its key or trusts it, and by nobody else', async () => {
  const seed = randomBytes(32);
  const maker = open({ signingSeed: seed });
  const compiled = join(folder, 'signed.cwasm');
  await maker.compile(guestFile('hello'), compiled);
  assert.equal(maker.engine.publicKey?.length, 32);
  assert.ok(maker.engine.publicKey !== undefined);
  await assert.rejects(open().load(compiled), rejectsWith('IncompatibleArtifact', /key/));
  await assert.rejects(open({ trustedKeys: [randomBytes(32)] }).load(compiled), rejectsWith('IncompatibleArtifact', /key/));
  assert.equal((await open({ trustedKeys: [maker.engine.publicKey] }).load(compiled)).info.kind, 'service');
  const again = open({ signingSeed: seed });
  assert.deepEqual(again.engine.publicKey, maker.engine.publicKey);
  assert.equal((await again.load(compiled)).info.kind, 'service');
});

test('a file without its signature is not loaded', async () => {
  const maker = open();
  const compiled = join(folder, 'unsigned.cwasm');
  await maker.compile(guestFile('hello'), compiled);
  const bytes = await readFile(compiled);
  // Signature, length and mark at its end: 76 bytes.
  await writeFile(compiled, bytes.subarray(0, bytes.length - 76));
  await assert.rejects(maker.load(compiled), rejectsWith('IncompatibleArtifact'));
  bytes.fill(0, bytes.length - 76, bytes.length - 12);
  await writeFile(compiled, bytes);
  await assert.rejects(maker.load(compiled), rejectsWith('IncompatibleArtifact', /key/));
});

test('a key that is none is refused', () => {
  assert.throws(() => openRuntime({ signingSeed: randomBytes(31) }), rejectsWith('BadCertificate', /key/));
  assert.throws(() => openRuntime({ trustedKeys: [randomBytes(8)] }), rejectsWith('BadCertificate', /32 bytes/));
});

test('the interpreter runs what it compiled, and nothing that was made for the processor', async () => {
  const seed = randomBytes(32);
  const [native, pulley] = [open({ signingSeed: seed }), open({ engine: 'pulley', signingSeed: seed })];
  assert.equal(pulley.engine.name, 'pulley');
  assert.notEqual(pulley.engine.compatibility, native.engine.compatibility);
  const [machine, portable] = [join(folder, 'machine.cwasm'), join(folder, 'portable.cwasm')];
  await native.compile(guestFile('echo'), machine);
  await pulley.compile(guestFile('echo'), portable);
  await assert.rejects(pulley.load(machine), rejectsWith('IncompatibleArtifact', /another engine/));
  await assert.rejects(native.load(portable), rejectsWith('IncompatibleArtifact', /another engine/));
  const spec = { id: 'portable', component: await pulley.load(portable), grants: NO_GRANTS, limits: DEFAULT_LIMITS, reuse: FRESH, warm: 0, accessLog: false, log: { path: join(folder, 'portable.log'), maxBytes: 1e6 } };
  const workload = await pulley.start(spec);
  assert.equal(await workload.probe({ path: '/status?code=201', headers: {}, timeoutMs: 5000 }), 201);
  await workload.stop(0);
});

test('compiling that takes more memory or time than it may is ended, and says so', async () => {
  for (const [compiler, why] of [[{ memoryBytes: 64 * 2 ** 20 }, /memory/], [{ cpuSeconds: 1 }, /CPU/]] as const) {
    const runtime = open({ compiler });
    await assert.rejects(runtime.compile(await large(), join(folder, 'large.cwasm')), rejectsWith('CompileFailed', why));
    assert.deepEqual(readdirSync(folder).filter((file) => file.startsWith('large.cwasm')), []);
    assert.equal((await runtime.inspect(guestFile('hello'))).kind, 'service', 'it goes on');
  }
});

test('components are compiled one after the other, and the others are told to wait', async () => {
  const runtime = open();
  const steps: string[] = [];
  await Promise.all(['hello', 'echo'].map(async (guest) => runtime.compile(guestFile(guest), join(folder, `${guest}-turn.cwasm`), (step) => steps.push(`${guest} ${step}`))));
  assert.deepEqual(steps, [
    'hello waiting', 'echo waiting', 'hello inspecting', 'hello compiling', 'hello writing', 'echo inspecting', 'echo compiling', 'echo writing',
  ]);
});

/** Seconds of a compiler's work: QuickJS, which is real code. */
async function large(): Promise<string> {
  return guestFile('service3');
}
