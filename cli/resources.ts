// Reads what people type for a resource: `deploy`, `pod/web`, `pods web-1 web-2`.

import { type AnyKind, findKindByName, KINDS } from '@copepod/api/kinds';
import { closest } from '@copepod/api/schema';
import { usage } from './failure.ts';

export interface Selection {
  readonly kinds: readonly AnyKind[];
  /** Empty: all of them. */
  readonly names: readonly string[];
}

/** Failure (2) names the kind that was probably meant. */
export function kindNamed(word: string): AnyKind {
  const kind = findKindByName(word);
  if (kind !== undefined) return kind;
  const meant = closest(word, KINDS.flatMap((known) => [known.plural, known.singular, ...known.shortNames]));
  throw usage(`there is no resource type "${word}"`, meant === undefined ? `there are ${KINDS.map((known) => known.plural).join(', ')}` : `did you mean "${meant}"?`);
}

/** `deploy/web` or `deploy web`; `pods,services`; `all`. */
export function parseSelection(words: readonly string[]): Selection {
  const [first = '', ...rest] = words;
  if (first.includes('/')) {
    const pairs = words.map((word) => word.split('/'));
    const types = new Set(pairs.map(([type]) => type));
    if (types.size > 1 || pairs.some((pair) => pair.length !== 2 || pair[1] === '')) throw usage(`cannot read ${words.join(' ')}: write TYPE/NAME, all of one type`);
    return { kinds: [kindNamed(pairs[0]?.[0] ?? '')], names: pairs.map(([, name]) => name ?? '') };
  }
  const kinds = first.split(',').flatMap((word) => (word === 'all' ? KINDS.filter((kind) => kind.categories.includes('all')) : [kindNamed(word)]));
  if (kinds.length > 1 && rest.length > 0) throw usage('names can be given for one type only');
  return { kinds, names: rest };
}

/** One object: exactly one type and one name. */
export function parseOne(words: readonly string[]): { readonly kind: AnyKind; readonly name: string } {
  const { kinds, names } = parseSelection(words);
  const [kind] = kinds;
  const [name] = names;
  if (kind === undefined || name === undefined || names.length > 1) throw usage(`name exactly one object, e.g. deployment/web; got ${JSON.stringify(words.join(' '))}`);
  return { kind, name };
}
