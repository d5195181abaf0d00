// Commands: run to their exit, or stopped.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Exit } from '../runtime.ts';
import { type Changes, type Stage, until } from './stage.ts';

/** Its exit, and its log's lines without their time, sorted by stream. */
export async function runToExit(stage: Stage, guest: string, changes: Changes = {}): Promise<{ readonly exit: Exit; readonly lines: readonly string[] }> {
  const spec = await stage.spec(guest, changes);
  const exit = await (await stage.runtime.start(spec)).exited;
  const written = async (): Promise<string> => readFile(spec.log.path, 'utf8').catch(() => '');
  let before = '';
  await until('the log is quiet', async () => {
    const now = await written();
    const quiet = now === before && (now !== '' || exit.reason !== 'Completed');
    before = now;
    return quiet;
  });
  return { exit, lines: before.split('\n').filter(Boolean).map((line) => line.split(' ').slice(1).join(' ')).sort() };
}

const shortly = ({ reason, exitCode }: Exit): Pick<Exit, 'reason' | 'exitCode'> => ({ reason, exitCode });

export function commandTests(at: () => Stage): void {
  test('a command runs to its exit and leaves its lines in the log', async () => {
    const { exit, lines } = await runToExit(at(), 'lines');
    assert.deepEqual(exit, { reason: 'Completed', exitCode: 0, message: '' });
    assert.deepEqual(lines, ['stderr F oops', 'stdout F one', 'stdout F two']);
  });

  test('commands end with their own code, with a trap, or when they are stopped', async () => {
    const { runtime, spec } = at();
    assert.deepEqual(shortly(await (await runtime.start(await spec('fails'))).exited), { reason: 'Error', exitCode: 1 });
    assert.deepEqual(shortly(await (await runtime.start(await spec('crash'))).exited), { reason: 'Trap', exitCode: 134 });
    const busy = await runtime.start(await spec('busy'));
    await busy.stop(20);
    assert.deepEqual(shortly(await busy.exited), { reason: 'Stopped', exitCode: 137 });
    assert.equal(busy.stats().inFlight, 0);
  });

  test('a command that fails is counted by its reason', async () => {
    const { runtime, spec } = at();
    const crash = await runtime.start(await spec('crash'));
    await crash.exited;
    const { failures, failuresByReason, instances } = crash.stats();
    assert.deepEqual({ failures, failuresByReason, instances }, { failures: 1, failuresByReason: { Trap: 1 }, instances: 1 });
  });

  test('a command of WASI 0.3 runs to its exit, or is refused', async () => {
    const stage = at();
    if (!stage.abilities.concurrent) return assert.rejects(stage.load('command3'), { code: 'UnsupportedImport' });
    const good = await runToExit(stage, 'command3', { grants: { args: ['a', 'b'], env: { KEY: 'value' } } });
    assert.deepEqual(good.exit, { reason: 'Completed', exitCode: 0, message: '' });
    assert.deepEqual(good.lines, ['stdout F a b KEY=value']);
    assert.deepEqual(shortly((await runToExit(stage, 'command3', { grants: { args: ['fail'] } })).exit), { reason: 'Error', exitCode: 1 });
  });

  test('a core module of preview 1 runs as a command, or is refused', async () => {
    const stage = at();
    if (!stage.abilities.preview1) return assert.rejects(stage.load('preview1'), { code: 'NotAComponent' });
    const good = await runToExit(stage, 'preview1', { grants: { args: ['first'] } });
    assert.deepEqual(good.exit, { reason: 'Completed', exitCode: 0, message: '' });
    assert.match(good.lines.join(), /^stdout F first/);
    // The adapter knows success and failure, no numbers.
    assert.deepEqual(shortly((await runToExit(stage, 'preview1', { grants: { args: ['x'] } })).exit), { reason: 'Error', exitCode: 1 });
  });
}
