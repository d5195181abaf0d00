// Answers of wasi:http 0.2.

import { RET, Utf8, textAt } from './memory';
import { dropInput, dropOutput, read, wait, write, writeBytes } from './io';

@external("wasi:http/types@0.2.12", "[constructor]fields")
export declare function newFields(): i32;
@external("wasi:http/types@0.2.12", "[method]fields.append")
declare function fieldsAppend(fields: i32, name: usize, nameLength: usize, value: usize, valueLength: usize, result: usize): void;
@external("wasi:http/types@0.2.12", "[method]fields.entries")
declare function fieldsEntries(fields: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[resource-drop]fields")
export declare function dropFields(fields: i32): void;
@external("wasi:http/types@0.2.12", "[method]incoming-request.path-with-query")
declare function pathWithQuery(request: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[method]incoming-request.headers")
export declare function requestHeaders(request: i32): i32;
@external("wasi:http/types@0.2.12", "[method]incoming-request.consume")
declare function consumeRequest(request: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[method]incoming-body.stream")
declare function bodyStream(body: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[static]incoming-body.finish")
declare function bodyFinish(body: i32): i32;
@external("wasi:http/types@0.2.12", "[method]future-trailers.subscribe")
declare function trailersSubscribe(future: i32): i32;
@external("wasi:http/types@0.2.12", "[method]future-trailers.get")
declare function trailersGet(future: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[constructor]outgoing-response")
declare function newResponse(headers: i32): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-response.set-status-code")
declare function setStatus(response: i32, status: i32): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-response.body")
declare function responseBody(response: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[static]response-outparam.set")
declare function setOutparam(out: i32, failed: i32, value: i32, a: i32, b: i64, c: i32, d: i32, e: i32, f: i32): void;
@external("wasi:http/types@0.2.12", "[method]outgoing-body.write")
declare function outgoingWrite(body: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[static]outgoing-body.finish")
declare function outgoingFinish(body: i32, withTrailers: i32, trailers: i32, result: usize): void;

export function path(request: i32): string {
  pathWithQuery(request, RET);
  return load<u8>(RET) == 0 ? '/' : textAt(RET + 4);
}

/** False when the host took it not: too large, or no header. */
export function append(fields: i32, name: string, value: string): bool {
  const key = new Utf8(name);
  const text = new Utf8(value);
  fieldsAppend(fields, key.at, key.length, text.at, text.length, RET);
  return load<u8>(RET) == 0;
}

/** One `name: value` line for each. */
export function lines(fields: i32): string {
  fieldsEntries(fields, RET);
  const list = load<usize>(RET);
  const count = load<i32>(RET, 4);
  let text = '';
  for (let i = 0; i < count; i++) text += textAt(list + i * 16) + ': ' + textAt(list + i * 16 + 8) + '\n';
  return text;
}

/** An outgoing body and the stream into it. */
export class Body {
  constructor(public handle: i32, public stream: i32) {}

  static of(handle: i32): Body {
    outgoingWrite(handle, RET);
    return new Body(handle, load<i32>(RET, 4));
  }

  write(text: string): bool {
    return write(this.stream, text);
  }

  /** `trailers` of -1: none. */
  finish(trailers: i32 = -1): bool {
    dropOutput(this.stream);
    outgoingFinish(this.handle, trailers < 0 ? 0 : 1, trailers, RET);
    return load<u8>(RET) == 0;
  }
}

/** Sends the head; what is written to the result follows. */
export function begin(out: i32, status: i32, headers: i32): Body {
  const response = newResponse(headers);
  setStatus(response, status);
  responseBody(response, RET);
  const handle = load<i32>(RET, 4);
  setOutparam(out, 0, response, 0, 0, 0, 0, 0, 0);
  return Body.of(handle);
}

export function answer(out: i32, status: i32, text: string): void {
  const body = begin(out, status, newFields());
  body.write(text);
  body.finish();
}

/** What comes in: the handle of a body, consumed. */
export class Incoming {
  stream: i32;
  constructor(public handle: i32) {
    bodyStream(handle, RET);
    this.stream = load<i32>(RET, 4);
  }

  static of(request: i32): Incoming {
    consumeRequest(request, RET);
    return new Incoming(load<i32>(RET, 4));
  }

  /** Everything it has left goes to `to`; its trailers (or -1) come back. */
  copy(to: Body): i32 {
    let bytes = read(this.stream);
    while (bytes !== null && writeBytes(to.stream, changetype<usize>(bytes), bytes.byteLength)) bytes = read(this.stream);
    return this.trailers();
  }

  /** Ends the body; its trailers, or -1. */
  trailers(): i32 {
    dropInput(this.stream);
    const future = bodyFinish(this.handle);
    wait(trailersSubscribe(future));
    trailersGet(future, RET);
    const some = load<u8>(RET) == 1 && load<u8>(RET, 8) == 0 && load<u8>(RET, 16) == 0 && load<u8>(RET, 24) == 1;
    return some ? load<i32>(RET, 28) : -1;
  }
}
