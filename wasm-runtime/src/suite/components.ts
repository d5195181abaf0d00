// Files: what is said of them, what is refused, what compiling leaves, what is loaded.

import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { guestFile, rejectsWith, type Stage } from './stage.ts';

const EMPTY_MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

export function componentTests(at: () => Stage): void {
  test('inspect says what a component is for and what it imports', async () => {
    const { runtime } = at();
    const info = await runtime.inspect(guestFile('hello'));
    assert.equal(info.kind, 'service');
    assert.ok(info.imports.includes('wasi:http/types@0.2.12'), info.imports.join());
    assert.equal((await runtime.inspect(guestFile('lines'))).kind, 'command');
  });

  test('inspect refuses what cannot run, and says why', async () => {
    const { runtime, folder } = at();
    const file = async (name: string, content: string | Buffer): Promise<string> => {
      await writeFile(join(folder, name), content);
      return join(folder, name);
    };
    await assert.rejects(runtime.inspect(await file('text.wasm', '#!/bin/sh\n')), rejectsWith('NotWasm', /not a WebAssembly file/));
    await assert.rejects(runtime.inspect(await file('half.wasm', (await readFile(guestFile('hello'))).subarray(0, 3000))), rejectsWith('Truncated', /ends early, at 3000 bytes/));
    await assert.rejects(runtime.inspect(await file('module.wasm', EMPTY_MODULE)), rejectsWith('NotAComponent', /core module.*jco new/));
    await assert.rejects(runtime.inspect(guestFile('stranger')), rejectsWith('UnsupportedImport', /copepod:guests\/nowhere/));
    await assert.rejects(runtime.inspect(guestFile('idle')), rejectsWith('NoEntryPoint', /it exports: idle/));
    await assert.rejects(runtime.inspect(join(folder, 'absent.wasm')), rejectsWith('Io', /absent\.wasm/));
  });

  test('worlds an engine does not run are refused by name, the others are told apart', async () => {
    const { runtime, abilities } = at();
    const [config, buckets] = [abilities.grants.includes('config'), abilities.grants.includes('buckets')];
    const worlds = { config, logging: config, keyvalue: buckets, keyvalue2: buckets };
    for (const [guest, offered] of Object.entries(worlds)) {
      if (offered) assert.equal((await runtime.inspect(guestFile(guest))).kind, 'service');
      else await assert.rejects(runtime.inspect(guestFile(guest)), rejectsWith('UnsupportedImport', /wasi:(config|logging|keyvalue)\//));
    }
    for (const [guest, kind] of [['service3', 'service'], ['blocking3', 'service'], ['command3', 'command']] as const) {
      if (abilities.concurrent) assert.equal((await runtime.inspect(guestFile(guest))).kind, kind);
      else await assert.rejects(runtime.inspect(guestFile(guest)), rejectsWith('UnsupportedImport', /@0\.3\.0/));
    }
    for (const [guest, kind] of [['preview1', 'command'], ['preview1-reactor', 'service']] as const) {
      if (abilities.preview1) assert.equal((await runtime.inspect(guestFile(guest))).kind, kind);
      else await assert.rejects(runtime.inspect(guestFile(guest)), rejectsWith('NotAComponent', /core module/));
    }
  });

  test('compiling says what is being done, and leaves one file', async () => {
    const { runtime, folder } = at();
    const steps: string[] = [];
    await runtime.compile(guestFile('silent'), join(folder, 'silent-progress.cwasm'), (step) => steps.push(step));
    assert.ok(steps.includes('compiling'), steps.join());
    assert.deepEqual((await readdir(folder)).filter((file) => file.startsWith('silent-progress')), ['silent-progress.cwasm']);
  });

  test('a failed compilation leaves no file behind', async () => {
    const { runtime, folder } = at();
    await assert.rejects(runtime.compile(guestFile('stranger'), join(folder, 'never.cwasm')), rejectsWith('UnsupportedImport', /nowhere/));
    assert.deepEqual((await readdir(folder)).filter((file) => file.startsWith('never')), []);
    await assert.rejects(runtime.compile(guestFile('hello'), join(folder, 'nowhere', 'x.cwasm')), rejectsWith('Io', /nowhere/));
  });

  test('a compiled file that was changed, cut short, or is no compiled file, is never loaded', async () => {
    const { runtime, folder } = at();
    const compiled = join(folder, 'changed.cwasm');
    await runtime.compile(guestFile('hello'), compiled);
    const good = await readFile(compiled);
    for (const at of [100, Math.floor(good.length / 2), good.length - 9, good.length - 40, good.length - 200]) {
      const bytes = Buffer.from(good);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      await writeFile(compiled, bytes);
      await assert.rejects(runtime.load(compiled), rejectsWith('IncompatibleArtifact', /compile the component again/), `byte ${at} of ${good.length}`);
    }
    for (const length of [0, 7, 76, 4096, good.length - 1]) {
      await writeFile(compiled, good.subarray(0, length));
      await assert.rejects(runtime.load(compiled), rejectsWith('IncompatibleArtifact', /compile the component again/), `${length} bytes`);
    }
    await assert.rejects(runtime.load(guestFile('hello')), rejectsWith('IncompatibleArtifact', /not a compiled component/));
    await writeFile(compiled, good);
    assert.equal((await runtime.load(compiled)).info.kind, 'service');
  });
}
