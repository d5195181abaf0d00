// Public names of time.
export type { Clock } from './clock.ts';
export { systemClock } from './system-clock.ts';
export type { FakeClock } from './fake-clock.ts';
export { fakeClock } from './fake-clock.ts';
