// How far a guest may be let go: each limit that can be asked for, the least and the most it may be. The engine holds the same bounds. Names of fields
// are the runtime's own, so that what is read here is spread over its defaults.

import { type FieldError, invalidField } from '../errors/index.ts';
import { formatBytes, formatDuration, parseDuration, parseQuantity } from '../meta/index.ts';

export interface GuestLimits {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly tableElements: number;
  readonly requestTimeoutMs: number;
  readonly concurrency: number;
  readonly requestBodyBytes: number;
  readonly responseBodyBytes: number;
  readonly headerBytes: number;
  readonly logBytesPerSecond: number;
  readonly handles: number;
  readonly sockets: number;
  readonly files: number;
  readonly egressConnections: number;
}

export type LimitUnit = 'bytes' | 'millicores' | 'milliseconds' | 'pieces';

export interface LimitRange {
  readonly field: keyof GuestLimits;
  readonly unit: LimitUnit;
  readonly least: number;
  readonly most: number;
}

const range = (field: keyof GuestLimits, unit: LimitUnit, least: number, most: number): LimitRange => ({ field, unit, least, most });

/** By resource name, of `resources.limits`. */
export const RESOURCE_LIMITS: ReadonlyMap<string, LimitRange> = new Map([
  ['memory', range('memoryBytes', 'bytes', 64 * 1024, 2 ** 30)],
  ['cpu', range('cpuMillis', 'millicores', 1, 1_000_000)],
]);

/** By annotation, without its prefix. */
export const ANNOTATED_LIMITS: ReadonlyMap<string, LimitRange> = new Map([
  ['request-timeout', range('requestTimeoutMs', 'milliseconds', 1, 24 * 3_600_000)],
  ['limit.concurrency', range('concurrency', 'pieces', 1, 1_000_000)],
  ['limit.request-body', range('requestBodyBytes', 'bytes', 0, 2 ** 40)],
  ['limit.response-body', range('responseBodyBytes', 'bytes', 0, 2 ** 40)],
  ['limit.headers', range('headerBytes', 'bytes', 256, 2 ** 20)],
  ['limit.log-rate', range('logBytesPerSecond', 'bytes', 1, 2 ** 30)],
  ['limit.handles', range('handles', 'pieces', 8, 1_000_000)],
  ['limit.sockets', range('sockets', 'pieces', 0, 65_536)],
  ['limit.files', range('files', 'pieces', 0, 65_536)],
  ['limit.egress-connections', range('egressConnections', 'pieces', 0, 65_536)],
  ['limit.table-elements', range('tableElements', 'pieces', 1, 32_768)],
]);

/** The limit in its unit, or what is wrong and how it is written. */
export function readLimit({ unit, least, most }: LimitRange, text: string | number): number | string {
  const value = valueOf(unit, String(text));
  return value !== undefined && value >= least && value <= most ? value : `must be ${describe(unit, least)} to ${describe(unit, most)}, ${HOW[unit]}`;
}

/** What a container's `resources.limits` say of memory and CPU. `field` is where they stand. */
export function readResourceLimits(limits: Readonly<Record<string, string | number>> | undefined, field: string): { readonly limits: Partial<GuestLimits>; readonly errors: readonly FieldError[] } {
  const read: Partial<Record<keyof GuestLimits, number>> = {};
  const errors: FieldError[] = [];
  for (const [resource, bounds] of RESOURCE_LIMITS) {
    const text = limits?.[resource];
    if (text === undefined) continue;
    const value = readLimit(bounds, text);
    if (typeof value === 'number') read[bounds.field] = value;
    else errors.push(invalidField(`${field}[${resource}]`, text, value));
  }
  return { limits: read, errors };
}

const HOW: Readonly<Record<LimitUnit, string>> = { bytes: 'e.g. 64Ki or 1Mi', millicores: 'e.g. 250m or 0.5', milliseconds: 'e.g. 500ms, 30s or 5m', pieces: 'a whole number' };

function valueOf(unit: LimitUnit, text: string): number | undefined {
  switch (unit) {
    case 'bytes': {
      const bytes = parseQuantity(text);
      return bytes === undefined ? undefined : Math.ceil(bytes);
    }
    case 'millicores': {
      const cores = parseQuantity(text);
      return cores === undefined || cores * 1000 < 1 ? undefined : Math.round(cores * 1000);
    }
    case 'milliseconds': return parseDuration(text);
    case 'pieces': return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  }
}

function describe(unit: LimitUnit, value: number): string {
  switch (unit) {
    case 'bytes': return formatBytes(value);
    case 'millicores': return value % 1000 === 0 ? String(value / 1000) : `${value}m`;
    case 'milliseconds': return formatDuration(value);
    case 'pieces': return String(value);
  }
}
