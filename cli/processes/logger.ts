// The log of a long-running process: one line each, as text for people or JSON for collectors.

import { pino } from 'pino';
import pretty from 'pino-pretty';
import { usage } from '../failure.ts';

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export function createLog(level: string, format: string): pino.Logger {
  if (!LEVELS.some((known) => known === level)) throw usage(`there is no log level "${level}"`, `there are ${LEVELS.join(', ')}`);
  if (format !== 'text' && format !== 'json') throw usage(`there is no log format "${format}"`, 'there are text and json');
  const destination = pino.destination({ fd: 2, sync: true });
  return pino({ level, base: null }, format === 'json' ? destination : pretty({ colorize: false, translateTime: 'SYS:HH:MM:ss.l', destination: 2, sync: true, singleLine: true }));
}
