// `npm start`: a cluster in the foreground with the sample on it. Arguments go to `copepod up` as they are.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = dirname(import.meta.dirname);
const copepod = join(root, 'bin', 'copepod');
const args = process.argv.slice(2);
const flag = args.indexOf('--data-dir');
const dataDir = resolve(args[flag === -1 ? -1 : flag + 1] ?? process.env['COPEPOD_DATA_DIR'] ?? join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'copepod'));
const state = join(dataDir, 'state.json');

interface State {
  readonly gatewayUrl: string;
  readonly kubeconfig: string;
  readonly pid: number;
}

const up = spawn(copepod, ['up', ...args], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void up.kill(signal));
const ended = once(up, 'exit').then(([code]) => process.exit(typeof code === 'number' ? code : 1));

function readState(): State | undefined {
  if (!existsSync(state)) return undefined;
  const found = JSON.parse(readFileSync(state, 'utf8')) as State;
  return found.pid === up.pid ? found : undefined;
}

function run(...words: readonly string[]): void {
  const done = spawnSync(copepod, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status === 0) return;
  up.kill('SIGTERM');
  throw new Error(`copepod ${words.join(' ')} failed`);
}

let ready = readState();
while (ready === undefined) {
  await sleep(50);
  ready = readState();
}
const { gatewayUrl, kubeconfig } = ready;
run('deploy', join(root, 'examples/hello/build/hello.wasm'), '--push-only', '--kubeconfig', kubeconfig);
run('apply', '-f', join(root, 'examples/hello/deployment.yaml'), '--kubeconfig', kubeconfig);
run('rollout', 'status', 'deployment/hello', '--timeout', '120', '--kubeconfig', kubeconfig);
const { port } = new URL(gatewayUrl);
// Names below localhost lead to this machine in browsers and curl, but not in every resolver: the gateway goes by the Host header.
process.stdout.write(`\nThe sample is running. Open   http://hello.default.localhost:${port}/\n                       or   curl http://hello.default.localhost:${port}/\nUse kubectl with       export KUBECONFIG=${kubeconfig}\nCtrl-C stops the cluster; what is in it stays in ${dataDir}.\n`);
await ended;
