// Public names of what every object has.
export type {
  KubeList, KubeObject, LabelSelector, LabelSelectorRequirement, ListMeta, ManagedFieldsEntry, ObjectMeta, OwnerReference,
} from './object.ts';
export { isKubeObject, isRecord, joinApiVersion, objectKey, splitApiVersion, splitObjectKey } from './object.ts';
export { controllerRef, getControllerOf, isControlledBy } from './owner.ts';
export type { FieldRequirement, LabelMatcher, LabelRequirement } from './selectors.ts';
export {
  fieldAt, formatLabelSelector, labelMatcher, matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector,
} from './selectors.ts';
export { formatDuration, parseDuration } from './duration.ts';
export { formatBytes, parseQuantity } from './quantity.ts';
export { dnsLabelProblem, dnsSubdomainProblem, labelKeyProblem, labelValueProblem } from './names.ts';
