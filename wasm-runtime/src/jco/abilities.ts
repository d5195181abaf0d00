// What this engine grants and holds. Whatever else a workload asks for is refused when it is started: a limit that is not held is none.

import { RuntimeError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { WorkloadSpec } from '../runtime.ts';

/** V8 has no means to hold them below what is the default everywhere. */
const NOT_HELD = ['cpuMillis', 'tableElements', 'handles'] as const satisfies readonly (keyof Limits)[];

const PAGE = 65_536;
const MAX_MEMORY = 2 ** 30;

/** RuntimeError Unsupported, naming all of it; LimitTooSmall. */
export function refuseWhatIsNotHeld({ grants, limits, reuse, warm }: WorkloadSpec): void {
  const asked = [
    ...(grants.mounts.length > 0 ? ['mounts'] : []),
    ...(grants.egress.length > 0 ? ['egress'] : []),
    ...(grants.names.length > 0 ? ['names to look up'] : []),
    ...(grants.listen.length > 0 ? ['ports to listen on'] : []),
    ...(Object.keys(grants.config).length > 0 ? ['wasi:config'] : []),
    ...(grants.buckets.length > 0 ? ['wasi:keyvalue'] : []),
    ...NOT_HELD.filter((name) => limits[name] < DEFAULT_LIMITS[name]).map((name) => `a limit of ${limits[name]} on ${name}`),
    ...(reuse.is === 'pooled' ? ['reuse of instances'] : []),
    ...(warm > 0 ? ['warm instances'] : []),
  ];
  if (asked.length > 0) throw new RuntimeError('Unsupported', `components on V8 cannot have ${asked.join(', ')}: run the agent with the wasmtime engine, or leave it out`);
  if (limits.memoryBytes < PAGE || limits.memoryBytes > MAX_MEMORY) throw new RuntimeError('LimitTooSmall', `memory limit of ${limits.memoryBytes} bytes is outside ${PAGE}..=${MAX_MEMORY}`);
}
