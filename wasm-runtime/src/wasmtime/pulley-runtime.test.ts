// The interpreter against the suite of every engine.

import { openRuntime } from '../open.ts';
import { runtimeSuite } from '../suite.ts';
import { EVERYTHING } from './abilities.ts';

runtimeSuite('pulley', () => openRuntime({ engine: 'pulley' }), EVERYTHING);
