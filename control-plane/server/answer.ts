// What the server answers, before it is bytes: so that in-process callers get objects, and the network gets what was encoded once.

import type { WatchEventType } from '@copepod/api/watch';
import type { CachedObject } from '../watch-cache/index.ts';

export interface ListBody {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resourceVersion: string;
  readonly continue: string | undefined;
  readonly remaining: number | undefined;
  readonly entries: readonly CachedObject[];
}

export interface WatchLine {
  readonly type: WatchEventType;
  readonly object: unknown;
  /** JSON of `object`. */
  json(): string;
}

export type Answer =
  | { readonly is: 'entry'; readonly status: number; readonly entry: CachedObject; readonly warnings: readonly string[] }
  | { readonly is: 'list'; readonly list: ListBody }
  | { readonly is: 'json'; readonly status: number; readonly value: unknown; readonly warnings?: readonly string[] }
  | { readonly is: 'text'; readonly status: number; readonly text: string; readonly contentType?: string }
  | { readonly is: 'watch'; readonly lines: AsyncIterable<WatchLine> }
  | { readonly is: 'stream'; readonly contentType: string; readonly chunks: AsyncIterable<Uint8Array> };

export function jsonAnswer(value: unknown, status = 200): Answer {
  return { is: 'json', status, value };
}

export function listAsObject(list: ListBody): object {
  return {
    kind: `${list.kind}List`, apiVersion: list.apiVersion, metadata: listMetadata(list), items: list.entries.map((entry) => entry.object),
  };
}

export function listAsJson(list: ListBody): string {
  const head = JSON.stringify({ kind: `${list.kind}List`, apiVersion: list.apiVersion, metadata: listMetadata(list) });
  return `${head.slice(0, -1)},"items":[${list.entries.map((entry) => entry.json()).join(',')}]}`;
}

function listMetadata(list: ListBody): object {
  return {
    resourceVersion: list.resourceVersion,
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  };
}
