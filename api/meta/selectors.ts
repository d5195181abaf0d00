// Label and field selectors: parsed once into requirements, then matched often. A selector that cannot be read is an error, never "everything".

import { badRequest } from '../errors/index.ts';
import type { LabelSelector } from './object.ts';

type Labels = Readonly<Record<string, string>>;

export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** All must hold; the empty list matches everything. */
export type LabelMatcher = readonly LabelRequirement[];

/**
 * The wire form: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. ApiError BadRequest names what cannot be read.
 * Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function parseLabelSelector(text: string): LabelMatcher {
  const terms = text.match(/[^,(]+(?:\([^)]*\))?|\S/g) ?? [];
  return terms.map((term) => term.trim()).filter((term) => term !== '' && term !== ',').map(parseTerm);
}

function parseTerm(term: string): LabelRequirement {
  const set = /^([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    return { key, operator: operator === 'in' ? 'In' : 'NotIn', values: list.split(',').map((value) => value.trim()) };
  }
  const equality = /^([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)$/.exec(term);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    return { key, operator: operator === '!=' ? 'NotIn' : 'In', values: [value] };
  }
  const presence = /^(!?)\s*([^\s!=(),]+)$/.exec(term);
  if (presence !== null) return { key: presence[2] ?? '', operator: presence[1] === '!' ? 'DoesNotExist' : 'Exists', values: [] };
  throw badRequest(`unable to parse the label selector near ${JSON.stringify(term)}: write e.g. app=web,tier!=db,env in (a,b),!canary`);
}

/** The object form of specs. An absent selector matches nothing, an empty one everything. */
export function labelMatcher(selector: LabelSelector | undefined): LabelMatcher | undefined {
  if (selector === undefined) return undefined;
  const equal = Object.entries(selector.matchLabels ?? {}).map(([key, value]): LabelRequirement => ({ key, operator: 'In', values: [value] }));
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }): LabelRequirement => ({ key, operator: operatorOf(operator), values }));
  return [...equal, ...expressions];
}

function operatorOf(text: string): LabelRequirement['operator'] {
  if (text === 'In' || text === 'NotIn' || text === 'Exists' || text === 'DoesNotExist') return text;
  throw badRequest(`${JSON.stringify(text)} is not a valid label selector operator: In, NotIn, Exists or DoesNotExist`);
}

export function matchesLabels(matcher: LabelMatcher | undefined, labels: Labels = {}): boolean {
  return matcher !== undefined && matcher.every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case 'In': return value !== undefined && values.includes(value);
      case 'NotIn': return value === undefined || !values.includes(value);
      case 'Exists': return value !== undefined;
      case 'DoesNotExist': return value === undefined;
    }
  });
}

/** The wire form of a matcher, as `status.selector` of a Scale carries it. */
export function formatLabelSelector(matcher: LabelMatcher): string {
  return matcher.map(({ key, operator, values }) => {
    switch (operator) {
      case 'In': return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`;
      case 'NotIn': return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`;
      case 'Exists': return key;
      case 'DoesNotExist': return `!${key}`;
    }
  }).join(',');
}

export interface FieldRequirement {
  readonly path: string;
  readonly equals: boolean;
  readonly value: string;
}

/** `metadata.name=a,spec.nodeName!=b`. Which paths a kind knows is the registry's to judge. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  return text.split(',').map((term) => term.trim()).filter((term) => term !== '').map((term) => {
    const match = /^([A-Za-z0-9_.]+)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`unable to parse the field selector near ${JSON.stringify(term)}: write e.g. metadata.name=web`);
    return { path: match[1] ?? '', equals: match[2] !== '!=', value: match[3] ?? '' };
  });
}

/** The value at a dotted path as a field selector sees it; absent is ''. */
export function fieldAt(object: unknown, path: string): string {
  let value: unknown = object;
  for (const part of path.split('.')) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

export function matchesFields(requirements: readonly FieldRequirement[], object: unknown): boolean {
  return requirements.every(({ path, equals, value }) => (fieldAt(object, path) === value) === equals);
}
