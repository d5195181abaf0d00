// Runs every *.test.ts of the workspaces with node:test and ends with its closing counts.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname } from 'node:path';

const root = dirname(import.meta.dirname);
const wanted = process.argv.slice(2);
const files = (wanted.length > 0 ? wanted : globSync('{api,client,control-plane,node-agent,wasm-runtime/src,cli,bench,test,tools}/**/*.test.ts', { cwd: root }))
  .filter((file) => !file.includes('node_modules'))
  .sort();
if (files.length === 0) {
  process.stderr.write('no test files found\n');
  process.exit(1);
}
const done = spawnSync(process.execPath, ['--test', '--test-reporter=spec', '--test-concurrency=2', '--test-timeout=300000', ...files], { cwd: root, stdio: 'inherit' });
process.exit(done.status ?? 1);
