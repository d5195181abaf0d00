// The `copepod` command: reads the environment, registers every command, and turns what goes wrong into words and an exit code
// (0 done, 1 could not be done, 2 asked for wrongly).

import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@copepod/client/clock';
import { Command, CommanderError } from 'commander';
import { apply } from './commands/apply.ts';
import type { CliCommand } from './commands/command.ts';
import { remove } from './commands/delete.ts';
import { deploy } from './commands/deploy.ts';
import { describe } from './commands/describe.ts';
import { get } from './commands/get.ts';
import { logs } from './commands/logs.ts';
import { rollout } from './commands/rollout.ts';
import { scale } from './commands/scale.ts';
import { RELEASE, version } from './commands/version.ts';
import type { Io } from './context.ts';
import { explain } from './failure.ts';

/** Commands that talk to a cluster; a new one is a file and a line here. */
const COMMANDS: readonly CliCommand[] = [deploy, apply, get, describe, logs, remove, scale, rollout, version];
const HELP: ReadonlySet<string | undefined> = new Set(['help', '--help', '-h', undefined]);
const PROCESSES = new Set(['up', 'server', 'agent', ...HELP]);

const interrupt = new AbortController();
const io: Io = {
  out: (text) => void process.stdout.write(text), err: (text) => void process.stderr.write(text), clock: systemClock, env: process.env, hostName: hostname(),
  dataDir: process.env['COPEPOD_DATA_DIR'] ?? join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'copepod'), interrupted: interrupt.signal,
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one is meant.
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
  });
}
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const program = new Command('copepod')
  .description('Runs WASI components the way Kubernetes runs containers')
  .version(RELEASE)
  .showHelpAfterError('(copepod --help lists the commands)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();
// The engine and the server are heavy to load: only the commands that run them do.
if (PROCESSES.has(process.argv[2])) {
  const [{ up }, { server }, { agent }] = await Promise.all([import('./processes/up.ts'), import('./processes/server.ts'), import('./processes/agent.ts')]);
  for (const command of [up, server, agent]) command.register(program, io);
}
// The store's own library, likewise.
if (process.argv[2] === 'store' || HELP.has(process.argv[2])) (await import('./processes/store.ts')).store.register(program, io);
if (process.argv[2] === 'forward' || HELP.has(process.argv[2])) (await import('./processes/forward.ts')).forward.register(program, io);
for (const command of COMMANDS) command.register(program, io);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
// What a library left open must not keep a finished command from ending.
if (process.stdout.writableLength === 0) process.exit();
process.stdout.once('drain', () => process.exit());

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const failure = explain(error);
  if (failure === undefined) {
    io.err(`copepod: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
    return 1;
  }
  io.err(`copepod: ${failure.message}\n${failure.hint === undefined ? '' : `  ${failure.hint}\n`}`);
  return failure.exitCode;
}
