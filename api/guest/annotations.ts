// What a pod's annotations below `copepod.dev/` ask for. One table: the API judges pods and templates by it, and the agent gives its guests what it reads
// here. A further annotation is a line in it.

import { type FieldError, invalidField, unknownField } from '../errors/index.ts';
import { dnsSubdomainProblem, formatBytes, formatDuration, parseDuration, parseQuantity } from '../meta/index.ts';
import { closest } from '../schema/index.ts';
import { egressRuleProblem, lookupNameProblem } from './egress-rule.ts';
import { ANNOTATED_LIMITS, type GuestLimits, type LimitRange, readLimit } from './limits.ts';

export const GUEST_PREFIX = 'copepod.dev/';

export interface BucketSetting {
  readonly name: string;
  readonly maxBytes: number;
  /** Absent: entries stay until they are deleted. */
  readonly ttlMs?: number;
}

export type ReuseSetting =
  | { readonly is: 'request' }
  | { readonly is: 'pooled'; readonly max: number; readonly idleMs: number; readonly concurrent: number };

export interface GuestSettings {
  readonly egress: readonly string[];
  readonly names: readonly string[];
  readonly clocks: 'millisecond' | 'nanosecond';
  readonly stdin: string;
  /** Name of the ConfigMap behind `wasi:config`. */
  readonly config: string | undefined;
  readonly buckets: readonly BucketSetting[];
  readonly reuse: ReuseSetting;
  readonly warm: number;
  readonly accessLog: boolean;
  /** Those that were asked for. */
  readonly limits: Partial<GuestLimits>;
}

/** What a pod without annotations gets. */
export const NO_SETTINGS: GuestSettings = Object.freeze<GuestSettings>({
  egress: [], names: [], clocks: 'millisecond', stdin: '', config: undefined, buckets: [], reuse: { is: 'request' }, warm: 0, accessLog: false, limits: {},
});

/** What the text sets, or what is wrong with it and how it is written. */
type Read = (text: string) => Partial<GuestSettings> | string;

const MAX_WARM = 64;
const BUCKET_BYTES = { usual: 16 * 2 ** 20, least: 256 * 2 ** 10, most: 4 * 2 ** 30 } as const;
/** Past a day an instance is no longer kept for its next request. */
const IDLE_MS = { least: 100, most: 86_400_000 } as const;
const POOLED = { is: 'pooled', max: 128, idleMs: 30_000, concurrent: 1 } as const satisfies ReuseSetting;

const READERS: ReadonlyMap<string, Read> = new Map<string, Read>([
  ['egress', (text) => eachOf(text, egressRuleProblem, (egress) => ({ egress }))],
  ['names', (text) => eachOf(text, lookupNameProblem, (names) => ({ names }))],
  ['clocks', (text) => (text === 'millisecond' || text === 'nanosecond' ? { clocks: text } : 'must be millisecond or nanosecond')],
  ['stdin', (stdin) => ({ stdin })],
  ['config', (config) => dnsSubdomainProblem(config) ?? { config }],
  ['keyvalue', readBuckets],
  ['reuse', readReuse],
  ['warm', (text) => (/^\d{1,3}$/.test(text) && Number(text) <= MAX_WARM ? { warm: Number(text) } : `must be a whole number of at most ${MAX_WARM}`)],
  ['access-log', (text) => (text === 'true' || text === 'false' ? { accessLog: text === 'true' } : 'must be "true" or "false"')],
  ...[...ANNOTATED_LIMITS].map(([name, range]) => [name, (text: string) => readOneLimit(range, text)] as const),
]);

/** Every annotation there is, with its prefix. */
export const GUEST_ANNOTATIONS: readonly string[] = [...READERS.keys()].map((name) => `${GUEST_PREFIX}${name}`);

/** `field`: where the annotations stand, e.g. `metadata.annotations`. What is wrong sets nothing. */
export function readGuestAnnotations(annotations: Readonly<Record<string, string>> | undefined, field: string): { readonly settings: GuestSettings; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  let settings = NO_SETTINGS;
  for (const [key, text] of Object.entries(annotations ?? {})) {
    if (!key.startsWith(GUEST_PREFIX)) continue;
    const at = `${field}[${key}]`;
    const name = key.slice(GUEST_PREFIX.length);
    const found = READERS.get(name)?.(text);
    if (found === undefined) errors.push(unknown(at, name));
    else if (typeof found === 'string') errors.push(invalidField(at, text, found));
    else settings = { ...settings, ...found, limits: { ...settings.limits, ...found.limits } };
  }
  return { settings, errors };
}

/** The prefix is no part of the comparison: it would make every name a near one. */
function unknown(at: string, name: string): FieldError {
  const meant = closest(name, [...READERS.keys()]);
  return unknownField(at, meant === undefined ? undefined : `${GUEST_PREFIX}${meant}`);
}

/** A list with commas between its items; every item must be right. */
function eachOf(text: string, problem: (item: string) => string | undefined, set: (items: readonly string[]) => Partial<GuestSettings>): Partial<GuestSettings> | string {
  const items = listOf(text);
  return items.map(problem).find((found) => found !== undefined) ?? set(items);
}

function listOf(text: string): readonly string[] {
  return text.split(',').map((item) => item.trim()).filter((item) => item !== '');
}

function readOneLimit(range: LimitRange, text: string): Partial<GuestSettings> | string {
  const value = readLimit(range, text);
  return typeof value === 'number' ? { limits: { [range.field]: value } } : value;
}

/** `default,sessions:64Mi:ttl=1h`: name, then in any order how much it may hold and how long an entry lives. */
function readBuckets(text: string): Partial<GuestSettings> | string {
  const buckets: BucketSetting[] = [];
  for (const item of listOf(text)) {
    const bucket = readBucket(item);
    if (typeof bucket === 'string') return `${JSON.stringify(item)} ${bucket}; write name, name:64Mi or name:64Mi:ttl=1h`;
    if (buckets.some((known) => known.name === bucket.name)) return `the bucket ${JSON.stringify(bucket.name)} is named twice`;
    buckets.push(bucket);
  }
  return { buckets };
}

function readBucket(item: string): BucketSetting | string {
  const [name = '', ...rest] = item.split(':');
  // It becomes the name of a directory.
  if (!/^[a-z0-9]([-_.a-z0-9]{0,61}[a-z0-9])?$/.test(name)) return "has a name that is not of lower case letters, digits, '-', '_' and '.', 63 at most";
  let maxBytes: number = BUCKET_BYTES.usual;
  let ttlMs: number | undefined;
  for (const part of rest) {
    if (part.startsWith('ttl=')) {
      ttlMs = parseDuration(part.slice('ttl='.length));
      if (ttlMs === undefined || ttlMs < 1) return 'has a ttl that is no duration';
    } else {
      maxBytes = Math.ceil(parseQuantity(part) ?? 0);
      if (maxBytes < BUCKET_BYTES.least || maxBytes > BUCKET_BYTES.most) return `may hold ${formatBytes(BUCKET_BYTES.least)} to ${formatBytes(BUCKET_BYTES.most)}`;
    }
  }
  return { name, maxBytes, ...(ttlMs === undefined ? {} : { ttlMs }) };
}

const REUSE_FORMS = 'write request, pooled, or pooled(max=128,idle=30s,concurrent=8)';

function readReuse(text: string): Partial<GuestSettings> | string {
  if (text === 'request') return { reuse: { is: 'request' } };
  const [whole, parts = ''] = /^pooled(?:\(([^()]*)\))?$/.exec(text) ?? [];
  if (whole === undefined) return REUSE_FORMS;
  const reuse: { is: 'pooled'; max: number; idleMs: number; concurrent: number } = { ...POOLED };
  for (const part of listOf(parts)) {
    const [name = '', value = ''] = part.split('=');
    if (name === 'idle') {
      reuse.idleMs = parseDuration(value) ?? 0;
      if (reuse.idleMs < IDLE_MS.least || reuse.idleMs > IDLE_MS.most) return `idle must be ${formatDuration(IDLE_MS.least)} to ${formatDuration(IDLE_MS.most)}; ${REUSE_FORMS}`;
    } else if (name === 'max' || name === 'concurrent') {
      const most = name === 'max' ? 1_000_000 : 1000;
      reuse[name] = /^\d{1,7}$/.test(value) ? Number(value) : 0;
      if (reuse[name] < 1 || reuse[name] > most) return `${name} must be 1 to ${most}; ${REUSE_FORMS}`;
    } else {
      return `pooled has max, idle and concurrent, not ${JSON.stringify(name)}; ${REUSE_FORMS}`;
    }
  }
  return { reuse };
}
