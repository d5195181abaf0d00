// Public names of the ways to change a part of an object.
export { applyJsonPatch, applyMergePatch } from './json-patch.ts';
export { applyStrategicMergePatch } from './strategic-merge-patch.ts';
export { createApplyPatch } from './apply-patch.ts';
