// Sets a checkout up: dependencies, the Rust addon, test guests. Plain Node 20 and nothing installed is all it may count on.
// Each step writes under a temporary name and renames, so an interrupted run is simply run again.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = process.env.COPEPOD_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'copepod');
/** What the addon is made of; the first is a library of the others. */
const CRATES = ['engine', 'binding', 'compiler'];
const say = (text) => process.stderr.write(`setup: ${text}\n`);

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (done.status !== 0) {
    say(`failed: ${command} ${args.join(' ')} (${done.error?.message ?? `exit ${done.status}`})`);
    process.exit(1);
  }
}

function filesUnder(folder, skip) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (skip.has(entry.name)) return [];
    return entry.isDirectory() ? filesUnder(path, skip) : [path];
  });
}

function hashOf(files, ...extra) {
  const hash = createHash('sha256');
  for (const file of files.sort()) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  for (const text of extra) hash.update(text).update('\0');
  return hash.digest('hex').slice(0, 32);
}

function dependencies() {
  const stamp = join(root, 'node_modules', '.copepod-setup');
  const manifests = readdirSync(root).filter((name) => existsSync(join(root, name, 'package.json')) && name !== 'node_modules');
  const wanted = hashOf([join(root, 'package-lock.json'), join(root, 'package.json'), ...manifests.map((name) => join(root, name, 'package.json'))]);
  const node = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  const whole = existsSync(node) || process.platform !== 'linux';
  if (whole && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing dependencies (npm ci, about half a minute) …');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, wanted);
}

/** The addon and the small process around its compiler: built once for these sources, kept in the cache for every checkout. */
function addon() {
  const runtime = join(root, 'wasm-runtime');
  const machine = `${process.platform}-${process.arch}`;
  const rustc = spawnSync('rustc', ['--version', '--verbose'], { encoding: 'utf8' });
  if (rustc.status !== 0) {
    say('no Rust toolchain here, so the wasmtime addon is not built and components will run on V8 (slower, wasi 0.2 only): install Rust 1.95 from your distribution or rustup, and run this again');
    return;
  }
  const key = hashOf([join(runtime, 'Cargo.toml'), join(runtime, 'Cargo.lock'), ...CRATES.flatMap((crate) => filesUnder(join(runtime, crate), new Set()))], rustc.stdout);
  const built = {
    [process.platform === 'darwin' ? 'libcopepod_binding.dylib' : 'libcopepod_binding.so']: `copepod-${machine}.node`,
    'copepod-compiler': `copepod-compiler-${machine}`,
  };
  const stamp = join(runtime, 'build', `copepod-${machine}.key`);
  const placed = Object.values(built).map((name) => join(runtime, 'build', name));
  if (existsSync(stamp) && placed.every((path) => existsSync(path)) && readFileSync(stamp, 'utf8') === key) return;
  const cached = (name) => join(cache, 'addon', key, name);
  if (!Object.values(built).every((name) => existsSync(cached(name)))) {
    say('building the wasmtime addon (five to ten minutes the first time, then cached) …');
    const started = Date.now();
    const targetDir = join(cache, 'target');
    run('cargo', ['build', '--release', '--locked', ...CRATES.slice(1).flatMap((crate) => ['-p', `copepod-${crate}`])], { cwd: runtime, env: { ...process.env, CARGO_TARGET_DIR: targetDir } });
    mkdirSync(join(cache, 'addon', key), { recursive: true });
    for (const [output, name] of Object.entries(built)) place(join(targetDir, 'release', output), cached(name));
    say(`built in ${Math.round((Date.now() - started) / 1000)} s`);
  }
  mkdirSync(join(runtime, 'build'), { recursive: true });
  for (const name of Object.values(built)) place(cached(name), join(runtime, 'build', name));
  writeFileSync(stamp, key);
}

function place(from, to) {
  const partial = `${to}.${process.pid}.partial`;
  rmSync(partial, { force: true });
  copyFileSync(from, partial);
  renameSync(partial, to);
}

function guests() {
  const folder = join(root, 'wasm-runtime', 'guests');
  const stamp = join(folder, 'build', '.key');
  const key = hashOf(filesUnder(folder, new Set(['build'])));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  say('building test components …');
  run(join(root, 'bin', 'copepod-node'), [join(folder, 'build.ts')]);
  writeFileSync(stamp, key);
}

function examples() {
  const folder = join(root, 'examples');
  const stamp = join(folder, 'build', '.key');
  const key = hashOf(filesUnder(folder, new Set(['build'])));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  run(join(root, 'bin', 'copepod-node'), [join(folder, 'build.ts')]);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, key);
}

/** One set-up at a time in a checkout: two would take each other's files away. A lock whose owner is gone is taken over. */
function alone(work) {
  const lock = join(root, '.setup.lock');
  let told = false;
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    let owner = 0;
    try {
      owner = Number(readFileSync(lock, 'utf8'));
      process.kill(owner, 0);
      if (!told) say(`waiting for the set-up that process ${owner} is doing …`);
      told = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    } catch (error) {
      if (error.code === 'ESRCH' || owner === 0) rmSync(lock, { force: true });
      else if (error.code !== 'ENOENT') throw error;
    }
  }
  process.on('exit', () => rmSync(lock, { force: true }));
  work();
}

alone(() => {
  dependencies();
  addon();
  guests();
  examples();
});
