// The jco adapter against the suite of every engine.
import { setTimeout as after } from 'node:timers';
import { runtimeSuite } from '../suite.ts';
import { createJcoRuntime } from './index.ts';

runtimeSuite('jco', () => createJcoRuntime({
  now: () => new Date().toISOString().replace('Z', '000000Z'),
  after: (ms, callback) => {
    const timer = after(callback, ms);
    return () => clearTimeout(timer);
  },
}));
