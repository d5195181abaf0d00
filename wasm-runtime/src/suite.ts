// What any engine must do, as tests with real components. An adapter calls `runtimeSuite` from a test file of its own, and says what its engine can do: the rest it must refuse.

import { after, before, describe } from 'node:test';
import type { Runtime } from './runtime.ts';
import { capabilityTests } from './suite/capabilities.ts';
import { chainingTests } from './suite/chaining.ts';
import { commandTests } from './suite/commands.ts';
import { componentTests } from './suite/components.ts';
import { hostileTests } from './suite/hostile.ts';
import { limitTests } from './suite/limits.ts';
import { reuseTests } from './suite/reuse.ts';
import { httpTests, serviceTests } from './suite/services.ts';
import { type Abilities, openStage, type Stage } from './suite/stage.ts';

export type { Abilities } from './suite/stage.ts';

const SUBJECTS: Readonly<Record<string, (at: () => Stage) => void>> = {
  components: componentTests,
  services: serviceTests,
  http: httpTests,
  commands: commandTests,
  capabilities: capabilityTests,
  limits: limitTests,
  reuse: reuseTests,
  chaining: chainingTests,
  'hostile guests': hostileTests,
};

/** Runs every promise of the contract against the runtime that `open` returns. */
export function runtimeSuite(name: string, open: () => Runtime, abilities: Abilities): void {
  describe(name, () => {
    let stage: Stage;
    before(async () => {
      stage = await openStage(open(), abilities);
    });
    after(async () => stage.close());
    for (const [subject, tests] of Object.entries(SUBJECTS)) describe(subject, () => tests(() => stage));
  });
}
