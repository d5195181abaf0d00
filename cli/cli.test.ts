// What the command says when it is used wrongly: exit codes, words, hints. The binary as users run it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { DEPLOYMENT, type Deployment } from '@copepod/api/kinds';
import { Failure } from './failure.ts';
import { readManifests } from './manifests.ts';
import { renderTable } from './output/index.ts';
import { parseOne, parseSelection } from './resources.ts';
import { rolloutProgress } from './rollout.ts';

const COPEPOD = join(dirname(import.meta.dirname), 'bin', 'copepod');
const copepod = (args: readonly string[], command = COPEPOD): { readonly code: number | null; readonly text: string } => {
  const done = spawnSync(command, args, { encoding: 'utf8', cwd: '/', timeout: 60_000, env: { ...process.env, KUBECONFIG: '/nonexistent/kubeconfig' } });
  return { code: done.status, text: `${done.stdout}${done.stderr}` };
};

test('every command has help with examples', () => {
  const { text, code } = copepod(['--help']);
  assert.equal(code, 0);
  const commands = [...text.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1] ?? '').filter((name) => name !== 'help');
  for (const wanted of ['up', 'server', 'agent', 'deploy', 'apply', 'get', 'describe', 'logs', 'delete', 'scale', 'rollout', 'version']) assert.ok(commands.includes(wanted), wanted);
  for (const name of commands) {
    const help = copepod([name, '--help']);
    assert.equal(help.code, 0);
    assert.match(help.text, /Examples:\n {2}\S+/, name);
  }
});

test('asked wrongly it exits with 2 and says what would be right; what cannot be done is 1', () => {
  const cases: readonly [readonly string[], number, RegExp][] = [
    [['frob'], 2, /unknown command 'frob'/],
    [['get', 'pdos'], 2, /there is no resource type "pdos"\s+did you mean "pods"\?/],
    [['get', 'pods', '-o', 'xml'], 2, /there is no output format "xml"/],
    [['get', 'pods'], 1, /no kubeconfig at \/nonexistent\/kubeconfig.*copepod up/],
    [['apply'], 2, /say which manifests to apply/],
    [['apply', '-f', '/nonexistent.yaml'], 1, /cannot read \/nonexistent\.yaml/],
    [['up', '--api-port', 'http'], 2, /--api-port http is not a port/],
    [['agent'], 2, /say which server to join/],
    [['version', '--client'], 0, /^copepod \d+\.\d+\.\d+/],
  ];
  for (const [args, code, words] of cases) {
    const done = copepod(args);
    assert.deepEqual([args, done.code], [args, code], done.text);
    assert.match(done.text, words);
  }
});

test('it runs through a symlink, from any directory, in a path with spaces', () => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod cli '));
  mkdirSync(join(folder, 'a b'));
  symlinkSync(COPEPOD, join(folder, 'a b', 'cope'));
  symlinkSync('a b/cope', join(folder, 'again'));
  assert.equal(copepod(['version', '--client'], join(folder, 'again')).code, 0);
  rmSync(folder, { recursive: true });
});

test('a port in use, a directory that cannot be used and a bad setting are said, with what to do', () => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-cli-'));
  writeFileSync(join(folder, 'file'), '');
  writeFileSync(join(folder, 'config.yaml'), 'api-prot: 1\n');
  const bad = copepod(['up', '--data-dir', join(folder, 'd'), '--config', join(folder, 'config.yaml')]);
  assert.deepEqual([bad.code, /there is no setting "api-prot"\s+did you mean "api-port"\?/.test(bad.text)], [1, true], bad.text);
  const path = join(folder, 'file', 'd');
  const unusable = copepod(['up', '--data-dir', path]);
  assert.equal(unusable.code, 1);
  assert.match(unusable.text, new RegExp(`the directory ${path} cannot be made .*\\n.*--data-dir`));
  rmSync(folder, { recursive: true });
});

test('manifests are judged before anything is sent, with their line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'copepod-cli-'));
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const good = write('a.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n');
  assert.deepEqual(readManifests([good]).map(({ object }) => `${object.kind}/${object.metadata.name}`), ['ConfigMap/a', 'Pod/p']);
  assert.equal(readManifests([folder]).length, 2);
  const refused = (text: string, words: RegExp): void => assert.throws(() => readManifests([write('bad.yml', text)]), (error) => error instanceof Failure && words.test(`${error.message} ${error.hint ?? ''}`), text);
  refused('a: [1\n', /bad\.yml:\d+: /);
  refused('just text', /not a manifest/);
  refused('apiVersion: v1\nkind: Deployment\nmetadata: {name: a}', /no kind Deployment in v1 Deployment is of apps\/v1/);
  refused('apiVersion: v1\nkind: Pood\nmetadata: {name: a}', /did you mean Pod\?/);
  refused('apiVersion: v1\nkind: Pod\nmetadata: {}', /needs metadata\.name/);
  rmSync(folder, { recursive: true });
});

test('resources are read as people type them', () => {
  assert.equal(parseOne(['deploy/web']).kind.kind, 'Deployment');
  assert.deepEqual(parseSelection(['pods', 'a', 'b']).names, ['a', 'b']);
  assert.deepEqual(parseSelection(['po,svc']).kinds.map((kind) => kind.kind), ['Pod', 'Service']);
  assert.ok(parseSelection(['all']).kinds.length > 3);
  for (const words of [['pod/a', 'svc/b'], ['pod/'], ['pods,svc', 'a']]) assert.throws(() => parseSelection(words), Failure);
  assert.throws(() => parseOne(['pods']), Failure);
});

test('columns are as wide as they must be', () => {
  assert.equal(renderTable(['name', 'age'], [['a-long-name', '5s'], ['b', '10m']]), 'NAME          AGE\na-long-name   5s\nb             10m\n');
});

test('a rollout is done when all of the newest are available, and says what it waits for until then', () => {
  const deployment = (status: object, generation = 1): Deployment => ({ ...DEPLOYMENT.defaults({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { replicas: 2, selector: {}, template: {} } }), metadata: { name: 'web', generation }, status });
  assert.equal(rolloutProgress(deployment({ observedGeneration: 1, updatedReplicas: 2, replicas: 2, availableReplicas: 2 })).done, true);
  for (const [status, words] of [[{}, /to be observed/], [{ observedGeneration: 1, updatedReplicas: 1 }, /1 out of 2/], [{ observedGeneration: 1, updatedReplicas: 2, replicas: 3 }, /1 old replicas/], [{ observedGeneration: 1, updatedReplicas: 2, replicas: 2, availableReplicas: 1 }, /1 of 2 updated/]] as const) {
    const progress = rolloutProgress(deployment(status));
    assert.deepEqual([progress.done, words.test(progress.text)], [false, true], progress.text);
  }
  assert.throws(() => rolloutProgress(deployment({ observedGeneration: 1, conditions: [{ type: 'Progressing', reason: 'ProgressDeadlineExceeded' }] })), Failure);
});
