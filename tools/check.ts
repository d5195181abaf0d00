// Everything that can be judged without running the product: types, lint, arrows, names, clocks, clippy. One line for each.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { arrowViolations } from './arrows.ts';
import { sourceFiles, styleViolations } from './style.ts';

const root = dirname(import.meta.dirname);
const cache = process.env['COPEPOD_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'copepod');

/** `left`: why it was not judged. */
type Outcome = { readonly ok: boolean; readonly text: string; readonly left?: string };

function command(name: string, args: readonly string[], options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}): Outcome {
  const done = spawnSync(name, args, { cwd: root, encoding: 'utf8', ...options });
  return { ok: done.status === 0, text: `${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}` };
}

const listed = (violations: readonly string[]): Outcome => ({ ok: violations.length === 0, text: violations.join('\n') });

const checks: Readonly<Record<string, () => Outcome>> = {
  types: () => command(join(root, 'node_modules/.bin/tsc'), ['-p', '.']),
  lint: () => command(join(root, 'node_modules/.bin/oxlint'), ['--deny-warnings']),
  arrows: () => listed(arrowViolations(sourceFiles(root))),
  style: () => listed(styleViolations(sourceFiles(root))),
  clippy: () =>
    command('cargo', ['clippy', '--locked', '--quiet', '--all-targets', '--', '-D', 'warnings'], {
      cwd: join(root, 'wasm-runtime'),
      env: { ...process.env, CARGO_TARGET_DIR: join(cache, 'target') },
    }),
  // Needs another target's standard library and a C compiler for it (ring, mimalloc, lmdb): without them it is said to be left out.
  aarch64: () => {
    const target = 'aarch64-unknown-linux-gnu';
    const library = spawnSync('rustc', ['--print', 'target-libdir', '--target', target], { encoding: 'utf8' }).stdout?.trim() ?? '';
    const missing = !existsSync(library) ? `the standard library of ${target} (rustup target add ${target})` : spawnSync('aarch64-linux-gnu-gcc', ['--version']).error !== undefined ? 'aarch64-linux-gnu-gcc' : undefined;
    if (missing !== undefined) return { ok: true, text: '', left: `needs ${missing}` };
    return command('cargo', ['check', '--locked', '--quiet', '-p', 'copepod-binding', '-p', 'copepod-compiler', '--target', target], { cwd: join(root, 'wasm-runtime'), env: { ...process.env, CARGO_TARGET_DIR: join(cache, 'target') } });
  },
  'rust tests': () =>
    command('cargo', ['test', '--locked', '--quiet', '-p', 'copepod-engine'], {
      cwd: join(root, 'wasm-runtime'),
      env: { ...process.env, CARGO_TARGET_DIR: join(cache, 'target') },
    }),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in checks));
if (unknown.length > 0) {
  process.stderr.write(`no such check: ${unknown.join(', ')}; there are ${Object.keys(checks).join(', ')}\n`);
  process.exit(2);
}
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const outcome = check();
  process.stdout.write(`${outcome.left !== undefined ? 'left  ' : outcome.ok ? 'ok    ' : 'FAILED'} ${name}${outcome.left === undefined ? '' : `: ${outcome.left}`}\n`);
  if (!outcome.ok) {
    failed += 1;
    process.stdout.write(`${outcome.text.trim().slice(0, 20_000)}\n`);
  }
}
process.exit(failed === 0 ? 0 : 1);
