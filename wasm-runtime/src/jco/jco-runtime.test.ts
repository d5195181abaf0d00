// The jco adapter against the suite of every engine.
import { performance } from 'node:perf_hooks';
import { setTimeout as after } from 'node:timers';
import { type Abilities, runtimeSuite } from '../suite.ts';
import { createJcoRuntime } from './index.ts';

const LITTLE: Abilities = {
  concurrent: false, preview1: false, chaining: false, reuse: false, signs: false, fullHttp: false, backtraces: false, waitsAside: false, seesRefusedGrowth: false, idleBytes: 16 * 1024,
  grants: ['args', 'env', 'stdin', 'searchDomains', 'address', 'clocks'],
  limits: ['memory', 'requestTime', 'concurrency', 'requestBody', 'responseBody', 'headers', 'log'],
};

runtimeSuite('jco', () => createJcoRuntime({
  now: () => new Date().toISOString().replace('Z', '000000Z'),
  monotonic: () => performance.now(),
  after: (ms, callback) => {
    const timer = after(callback, ms);
    return () => clearTimeout(timer);
  },
}), LITTLE);
