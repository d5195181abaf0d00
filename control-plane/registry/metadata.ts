// The rules of metadata, the same for every kind: names, labels, what only the server sets, what may never change.

import { type FieldError, invalidField, requiredField } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import { dnsLabelProblem, dnsSubdomainProblem, type KubeObject, labelKeyProblem, labelValueProblem, type ObjectMeta } from '@copepod/api/meta';

const MAX_ANNOTATIONS_BYTES = 256 * 1024;
/** A generated name is cut so that its suffix fits a label. */
const MAX_GENERATED_BASE = 58;
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

export function generateName(base: string, random: () => number): string {
  const suffix = Array.from({ length: 5 }, () => SUFFIX_LETTERS[Math.floor(random() * SUFFIX_LETTERS.length)]).join('');
  return `${base.slice(0, MAX_GENERATED_BASE)}${suffix}`;
}

export function validateMetadata(kind: AnyKind, metadata: ObjectMeta): readonly FieldError[] {
  const errors: FieldError[] = [];
  const name = metadata.name ?? '';
  if (name === '') errors.push(requiredField('metadata.name', 'name or generateName is required'));
  const problem = name === '' ? undefined : kind.kind === 'Namespace' || kind.kind === 'Service' ? dnsLabelProblem(name) : dnsSubdomainProblem(name);
  if (problem !== undefined) errors.push(invalidField('metadata.name', name, problem));
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    const badKey = labelKeyProblem(key);
    if (badKey !== undefined) errors.push(invalidField('metadata.labels', key, badKey));
    const badValue = labelValueProblem(value);
    if (badValue !== undefined) errors.push(invalidField('metadata.labels', value, badValue));
  }
  let annotations = 0;
  for (const [key, value] of Object.entries(metadata.annotations ?? {})) {
    annotations += key.length + value.length;
    const badKey = labelKeyProblem(key.toLowerCase());
    if (badKey !== undefined) errors.push(invalidField('metadata.annotations', key, badKey));
  }
  if (annotations > MAX_ANNOTATIONS_BYTES) errors.push(invalidField('metadata.annotations', `${annotations} bytes`, `must have at most ${MAX_ANNOTATIONS_BYTES} bytes`));
  for (const [index, owner] of (metadata.ownerReferences ?? []).entries()) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (owner[field] === '') errors.push(requiredField(`metadata.ownerReferences[${index}].${field}`));
    }
  }
  return errors;
}

/** What the client may not decide is taken from the stored object. */
export function keepSystemMetadata(next: KubeObject, before: KubeObject): KubeObject {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, name, namespace, generateName: base } = before.metadata;
  const { resourceVersion: _v, selfLink: _s, managedFields: _m, ...metadata } = next.metadata;
  return { ...next, metadata: withoutUndefined({ ...metadata, name, namespace, generateName: base, uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation }) };
}

export function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
