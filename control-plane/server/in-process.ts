// The API without a socket: controllers, the scheduler and a local agent use the same verbs, and get the very objects the cache holds.

import { fromStatus, type Status } from '@copepod/api/errors';
import type { WatchEvent } from '@copepod/api/watch';
import type { ApiRequest, Transport } from '@copepod/client/rest';
import { type Answer, listAsObject } from './answer.ts';
import { type Dispatch, statusOf } from './dispatch.ts';
import type { ServerRequest, User } from './request.ts';

const never = new AbortController().signal;

export function createInProcessTransport(dispatch: Dispatch, user: User, onInternal: (error: unknown) => void): Transport {
  const toServer = (request: ApiRequest): ServerRequest => ({
    method: request.method,
    segments: request.path.split('/').filter((part) => part !== '').map(decodeURIComponent),
    query: new URLSearchParams(request.query), body: request.body, contentType: request.contentType ?? 'application/json',
    accept: request.accept ?? 'application/json', user, signal: request.signal ?? never,
  });
  const answer = async (request: ApiRequest): Promise<Answer> => {
    try {
      return await dispatch(toServer(request));
    } catch (error) {
      return statusOf(error, onInternal);
    }
  };
  const refuse = (reply: Answer): never => {
    if (reply.is === 'json' && reply.status >= 400) throw fromStatus(reply.value as Status);
    throw new TypeError(`the server gave an answer of kind ${reply.is} where a stream was asked for`);
  };

  return {
    async request(request) {
      const reply = await answer(request);
      switch (reply.is) {
        case 'entry': return { status: reply.status, body: reply.entry.object };
        case 'list': return { status: 200, body: listAsObject(reply.list) };
        case 'json': return { status: reply.status, body: reply.value };
        case 'text': return { status: reply.status, body: reply.text };
        case 'watch': case 'stream': throw new TypeError('use watch or stream for this request');
      }
    },
    async *watch(request) {
      const reply = await answer(request);
      if (reply.is !== 'watch') return refuse(reply);
      for await (const line of reply.lines) yield { type: line.type, object: line.object } as WatchEvent;
    },
    async *stream(request) {
      const reply = await answer(request);
      if (reply.is === 'text') {
        if (reply.status >= 400) throw new TypeError(reply.text);
        yield new TextEncoder().encode(reply.text);
        return;
      }
      if (reply.is !== 'stream') return refuse(reply);
      yield* reply.chunks;
    },
    async close() {},
  };
}

