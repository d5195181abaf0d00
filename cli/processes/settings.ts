// Flags of long-running processes, with a file behind them: `--config FILE` holds the same names in YAML; a flag given wins.

import { readFileSync } from 'node:fs';
import { isRecord } from '@copepod/api/meta';
import { closest } from '@copepod/api/schema';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { Failure, usage } from '../failure.ts';

export function processFlags(command: Command): Command {
  return command
    .option('--data-dir <folder>', 'where everything is kept')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .option('--log-format <format>', 'text or json', 'text')
    .option('--config <file>', 'YAML with the same names as these flags');
}

/** The flags with the file's values for those that were not given. Failure names what the file says wrongly. */
export function withConfigFile<T extends { readonly config?: string }>(command: Command, flags: T): T {
  if (flags.config === undefined) return flags;
  let file: unknown;
  try {
    file = parse(readFileSync(flags.config, 'utf8'));
  } catch (cause) {
    throw new Failure(`cannot read ${flags.config}: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`, { cause });
  }
  if (!isRecord(file)) throw new Failure(`${flags.config} is not a mapping of flags to values`);
  const known = new Map(command.options.map((option) => [option.name(), option]));
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(file)) {
    const option = known.get(name);
    if (option === undefined) {
      const meant = closest(name, [...known.keys()]);
      throw new Failure(`${flags.config}: there is no setting "${name}"`, { hint: meant === undefined ? undefined : `did you mean "${meant}"?` });
    }
    const key = option.attributeName();
    if (command.getOptionValueSource(key) !== 'cli') values[key] = typeof value === 'boolean' ? value : String(value);
  }
  return { ...flags, ...values };
}

/** 0 picks a free one. */
export function parsePort(text: string, flag: string): number {
  const port = Number(text);
  if (!Number.isSafeInteger(port) || port < 0 || port > 65535) throw usage(`${flag} ${text} is not a port (0 to 65535; 0 picks a free one)`);
  return port;
}

export const ENGINES = ['auto', 'wasmtime', 'pulley', 'jco'] as const;
export const ENGINE_HELP = 'auto (wasmtime, or jco where its addon cannot be built), wasmtime, pulley (its interpreter) or jco (V8)';

export function parseEngine(text: string): (typeof ENGINES)[number] {
  const engine = ENGINES.find((known) => known === text);
  if (engine === undefined) throw usage(`there is no engine "${text}"`, `there are ${ENGINES.join(', ')}`);
  return engine;
}

/** A node's name out of a machine's. */
export function nodeNameOf(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-').replaceAll(/^[-.]+|[-.]+$/g, '');
  if (name === '') throw usage(`"${text}" cannot be a node's name`, 'give one with --node-name');
  return name;
}
