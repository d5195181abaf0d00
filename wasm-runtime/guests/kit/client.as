// Requests a guest of 0.2 makes itself.

import { RET, Utf8 } from './memory';
import { wait } from './io';
import { Body } from './http';

@external("wasi:http/types@0.2.12", "[constructor]outgoing-request")
declare function newRequest(headers: i32): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-request.set-method")
declare function setMethod(request: i32, method: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-request.set-path-with-query")
declare function setPath(request: i32, some: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-request.set-authority")
declare function setAuthority(request: i32, some: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-request.set-scheme")
declare function setScheme(request: i32, some: i32, scheme: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-request.body")
declare function requestBody(request: i32, result: usize): void;
@external("wasi:http/outgoing-handler@0.2.12", "handle")
declare function send(request: i32, some: i32, options: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[method]future-incoming-response.subscribe")
declare function responseSubscribe(future: i32): i32;
@external("wasi:http/types@0.2.12", "[method]future-incoming-response.get")
declare function responseGet(future: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[method]incoming-response.status")
export declare function responseStatus(response: i32): i32;
@external("wasi:http/types@0.2.12", "[method]incoming-response.headers")
export declare function responseHeaders(response: i32): i32;
@external("wasi:http/types@0.2.12", "[method]incoming-response.consume")
declare function consumeResponse(response: i32, result: usize): void;

export const GET = 0;
export const POST = 2;

/** A request under way; `error` is the error-code's number, or -1. */
export class Call {
  body: Body | null = null;
  future: i32 = -1;
  error: i32 = -1;

  constructor(method: i32, authority: string, path: string, headers: i32) {
    const request = newRequest(headers);
    const host = new Utf8(authority);
    const place = new Utf8(path);
    setMethod(request, method, 0, 0);
    setScheme(request, 1, 0, 0, 0);
    setAuthority(request, 1, host.at, host.length);
    setPath(request, 1, place.at, place.length);
    requestBody(request, RET);
    this.body = Body.of(load<i32>(RET, 4));
    send(request, 0, 0, RET);
    if (load<u8>(RET) == 0) this.future = load<i32>(RET, 8);
    else this.error = load<u8>(RET, 8);
  }

  /** The response's handle, or -1 when there is an error instead. */
  response(): i32 {
    if (this.error >= 0) return -1;
    wait(responseSubscribe(this.future));
    responseGet(this.future, RET);
    if (load<u8>(RET, 16) == 0) return load<i32>(RET, 24);
    this.error = load<u8>(RET, 24);
    return -1;
  }
}

export function bodyOf(response: i32): i32 {
  consumeResponse(response, RET);
  return load<i32>(RET, 4);
}
