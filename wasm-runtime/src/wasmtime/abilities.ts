// What wasmtime can do, for the suite: everything, whether it runs machine code or Pulley's.

import { LIMIT_NAMES } from '../limits.ts';
import type { Abilities } from '../suite.ts';

export const EVERYTHING: Abilities = {
  concurrent: true, preview1: true, chaining: true, reuse: true, signs: true, fullHttp: true, backtraces: true, waitsAside: true, seesRefusedGrowth: true, idleBytes: 16 * 1024,
  grants: ['args', 'env', 'stdin', 'mounts', 'searchDomains', 'egress', 'names', 'address', 'listen', 'config', 'buckets', 'clocks'],
  limits: LIMIT_NAMES,
};
