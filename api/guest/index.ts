// Public names of what a pod may ask for its guest.
export type { BucketSetting, GuestSettings, ReuseSetting } from './annotations.ts';
export { GUEST_ANNOTATIONS, GUEST_PREFIX, NO_SETTINGS, readGuestAnnotations } from './annotations.ts';
export { egressRuleProblem, lookupNameProblem } from './egress-rule.ts';
export type { GuestLimits, LimitRange, LimitUnit } from './limits.ts';
export { ANNOTATED_LIMITS, readLimit, readResourceLimits, RESOURCE_LIMITS } from './limits.ts';
