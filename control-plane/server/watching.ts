// One watch: what is there (when asked from now), then every change, with what a selector makes of it, and bookmarks in between.

import { badRequest, expired } from '@copepod/api/errors';
import type { AnyKind } from '@copepod/api/kinds';
import type { Clock } from '@copepod/client/clock';
import { collectionPrefix } from '../registry/index.ts';
import { type CachedObject, type CacheEvent, type WatchCache } from '../watch-cache/index.ts';
import type { WatchLine } from './answer.ts';
import { matcherOf } from './selection.ts';
import { tableOf, wantsTable } from './table.ts';

const BOOKMARK_MS = 60_000;
const DEFAULT_SECONDS = 30 * 60;

export interface WatchRequest {
  readonly kind: AnyKind;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly query: URLSearchParams;
  readonly accept: string;
  readonly signal: AbortSignal;
}

/** ApiError BadRequest for a resourceVersion that is none; Expired, before the first event, for one too old. */
export function openWatch(request: WatchRequest, cache: WatchCache, clock: Clock, isCompacted: (error: unknown) => boolean): AsyncIterable<WatchLine> {
  const { kind, namespace, name, query } = request;
  const matches = matcherOf(kind, query, name);
  const from = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(from)) throw badRequest(`resourceVersion is ${JSON.stringify(from)}: it must be one a list or an object carried`);
  const seconds = Number(query.get('timeoutSeconds') ?? '0');
  const lifetime = (seconds > 0 ? seconds : DEFAULT_SECONDS * (1 + clock.random())) * 1000;
  const bookmarks = query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1';
  const prefix = collectionPrefix(kind, namespace);
  const render = renderer(request, clock);

  return (async function* lines(): AsyncGenerator<WatchLine> {
    const stop = new AbortController();
    const cancelTimer = clock.after(lifetime, () => stop.abort());
    const signal = AbortSignal.any([request.signal, stop.signal]);
    let after = Number(from);
    try {
      if (from === '' || from === '0') {
        after = cache.revision;
        for (const entry of cache.list(prefix)) if (matches(entry.object)) yield render('ADDED', entry);
      }
      const events = cache.watch(prefix, after, signal)[Symbol.asyncIterator]();
      let pending = events.next();
      for (;;) {
        const batch = await nextOrPause(pending, bookmarks ? clock : undefined);
        if (batch === 'pause') {
          // Nothing was waiting for this watch when the timer fired, so all up to the cache's revision has been told.
          yield bookmark(kind, cache.revision);
          continue;
        }
        if (batch.done === true) return;
        for (const event of batch.value) {
          const line = judge(event, matches, render);
          if (line !== undefined) yield line;
        }
        pending = events.next();
      }
    } catch (error) {
      if (!isCompacted(error)) throw error;
      const status = expired(`too old resource version: ${after}; list again and watch from there`).toStatus();
      yield { type: 'ERROR', object: status, json: () => JSON.stringify(status) };
    } finally {
      cancelTimer();
      stop.abort();
    }
  })();
}

function judge(event: CacheEvent, matches: (object: CachedObject['object']) => boolean, render: (type: WatchLine['type'], entry: CachedObject) => WatchLine): WatchLine | undefined {
  const before = event.previous !== undefined && matches(event.previous.object);
  if (event.deleted) return before ? render('DELETED', event.entry) : undefined;
  const now = matches(event.entry.object);
  if (now) return render(before ? 'MODIFIED' : 'ADDED', event.entry);
  // It left the selection: to this watcher it is gone, at the revision it left.
  return before ? render('DELETED', event.entry) : undefined;
}

async function nextOrPause<T>(pending: Promise<T>, clock: Clock | undefined): Promise<T | 'pause'> {
  if (clock === undefined) return pending;
  let cancel = (): void => {};
  const pause = new Promise<'pause'>((resolve) => {
    cancel = clock.after(BOOKMARK_MS, () => resolve('pause'));
  });
  try {
    return await Promise.race([pending, pause]);
  } finally {
    cancel();
  }
}

function bookmark(kind: AnyKind, revision: number): WatchLine {
  const object = { kind: kind.kind, apiVersion: kind.apiVersion, metadata: { resourceVersion: String(revision) } };
  return { type: 'BOOKMARK', object, json: () => JSON.stringify(object) };
}

function renderer({ accept, kind, query }: WatchRequest, clock: Clock): (type: WatchLine['type'], entry: CachedObject) => WatchLine {
  if (!wantsTable(accept)) return (type, entry) => ({ type, object: entry.object, json: () => entry.json() });
  let headers = true;
  return (type, entry) => {
    const object = tableOf(kind, [entry.object], { metadata: { resourceVersion: String(entry.revision) }, includeObject: query.get('includeObject') ?? 'Metadata', now: clock.now(), headers });
    headers = false;
    return { type, object, json: () => JSON.stringify(object) };
  };
}
