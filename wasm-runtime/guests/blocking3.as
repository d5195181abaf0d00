// A service of WASI 0.3 whose handler waits for each call, which needs no tasks of its own: /fetch passes the request on to ?to=, /file?path= sends a file of /data,
// /tcp?to= sends the body and answers with the reply; the rest answer in the header x-answer: /write?path= from the body, /udp?to=, /name?of=, /sleep?ms=, /open?n=.
import { number, query, RET, textAt, Utf8 } from './kit/memory';
import { Address } from './kit/address';
export { cabi_realloc } from './kit/memory';

@external("wasi:http/types@0.3.0", "[constructor]fields")
declare function newFields(): i32;
@external("wasi:http/types@0.3.0", "[method]fields.append")
declare function append(fields: i32, name: usize, nameLength: usize, value: usize, valueLength: usize, result: usize): void;
@external("wasi:http/types@0.3.0", "[method]request.get-path-with-query")
declare function pathWithQuery(request: i32, result: usize): void;
@external("wasi:http/types@0.3.0", "[method]request.get-method")
declare function getMethod(request: i32, result: usize): void;
@external("wasi:http/types@0.3.0", "[static]request.consume-body")
declare function consumeBody(request: i32, done: i32, result: usize): void;
/** Of a request whose body is not wanted: its trailers come only when that is known. */
@external("wasi:http/types@0.3.0", "[stream-drop-readable-1][static]request.consume-body")
declare function dropContents(body: i32): void;
@external("wasi:http/types@0.3.0", "[future-new-0][static]request.consume-body")
declare function newDone(): i64;
@external("wasi:http/types@0.3.0", "[static]request.new")
declare function newRequest(headers: i32, some: i32, body: i32, trailers: i32, someOptions: i32, options: i32, result: usize): void;
@external("wasi:http/types@0.3.0", "[method]request.set-method")
declare function setMethod(request: i32, method: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.3.0", "[method]request.set-scheme")
declare function setScheme(request: i32, some: i32, scheme: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.3.0", "[method]request.set-authority")
declare function setAuthority(request: i32, some: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.3.0", "[method]request.set-path-with-query")
declare function setPath(request: i32, some: i32, at: usize, length: usize): i32;
@external("wasi:http/types@0.3.0", "[static]response.new")
declare function newResponse(headers: i32, some: i32, body: i32, trailers: i32, result: usize): void;
@external("wasi:http/client@0.3.0", "send")
declare function send(request: i32, result: usize): void;
@external("wasi:filesystem/preopens@0.3.0", "get-directories")
declare function getDirectories(result: usize): void;
@external("wasi:filesystem/types@0.3.0", "[method]descriptor.open-at")
declare function openAt(directory: i32, pathFlags: i32, at: usize, length: usize, openFlags: i32, flags: i32, result: usize): void;
@external("wasi:filesystem/types@0.3.0", "[method]descriptor.read-via-stream")
declare function readViaStream(file: i32, offset: u64, result: usize): void;
@external("wasi:filesystem/types@0.3.0", "[method]descriptor.write-via-stream")
declare function writeViaStream(file: i32, data: i32, offset: u64): i32;
@external("wasi:filesystem/types@0.3.0", "[async-lower][future-read-1][method]descriptor.write-via-stream")
declare function readWritten(future: i32, result: usize): i32;
@external("$root", "[waitable-set-new]")
declare function newWaitableSet(): i32;
@external("$root", "[waitable-join]")
declare function join(waitable: i32, set: i32): void;
@external("$root", "[waitable-set-wait]")
declare function waitOn(set: i32, result: usize): i32;
@external("wasi:sockets/types@0.3.0", "[static]tcp-socket.create")
declare function createTcp(family: i32, result: usize): void;
@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.connect")
declare function connectTcp(socket: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.send")
declare function sendTcp(socket: i32, data: i32): i32;
@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.receive")
declare function receiveTcp(socket: i32, result: usize): void;
@external("wasi:sockets/types@0.3.0", "[static]udp-socket.create")
declare function createUdp(family: i32, result: usize): void;
@external("wasi:sockets/types@0.3.0", "[method]udp-socket.bind")
declare function bindUdp(socket: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/types@0.3.0", "[method]udp-socket.send")
declare function sendUdp(socket: i32, at: usize, length: usize, some: i32, v: i32, port: i32, a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, result: usize): void;
@external("wasi:sockets/types@0.3.0", "[method]udp-socket.receive")
declare function receiveUdp(socket: i32, result: usize): void;
@external("wasi:sockets/ip-name-lookup@0.3.0", "resolve-addresses")
declare function resolveAddresses(at: usize, length: usize, result: usize): void;
@external("wasi:clocks/monotonic-clock@0.3.0", "wait-for")
declare function waitFor(nanos: u64): void;

const BLOCKED = -1;

/** What `handle` returns: ok, and the response's handle. */
const ANSWER: usize = memory.data(48, 8);

function responded(response: i32): usize {
  memory.fill(ANSWER, 0, 48);
  store<i32>(ANSWER, response, 8);
  return ANSWER;
}

/** A response with what the host streams for a body (none: -1), and the request's own trailers. */
function answer(text: string, body: i32, trailers: i32): usize {
  const headers = newFields();
  const name = new Utf8('x-answer');
  const value = new Utf8(text);
  append(headers, name.at, name.length, value.at, value.length, RET);
  newResponse(headers, body < 0 ? 0 : 1, body < 0 ? 0 : body, trailers, RET);
  return responded(load<i32>(RET));
}

function failed(error: i32, body: i32, trailers: i32): usize {
  dropContents(body);
  return answer('error ' + error.toString(), -1, trailers);
}

let directory: i32 = -1;

/** The descriptor, or minus one and the error's number. */
function open(path: string, openFlags: i32, flags: i32): i32 {
  if (directory < 0) {
    getDirectories(RET);
    if (load<i32>(RET, 4) == 0) return -99;
    directory = load<i32>(load<usize>(RET));
  }
  const name = new Utf8(path);
  openAt(directory, 1, name.at, name.length, openFlags, flags, RET);
  return load<u8>(RET) == 0 ? load<i32>(RET, 4) : -1 - <i32>load<u8>(RET, 4);
}

function overUdp(to: Address): string {
  createUdp(0, RET);
  if (load<u8>(RET) != 0) return 'error ' + load<u8>(RET, 4).toString();
  const socket = load<i32>(RET, 4);
  bindUdp(socket, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, RET);
  const text = new Utf8('hello');
  sendUdp(socket, text.at, text.length, 1, 0, to.port, to.a, to.b, to.c, to.d, 0, 0, 0, 0, 0, 0, RET);
  if (load<u8>(RET) != 0) return 'error ' + load<u8>(RET, 4).toString();
  receiveUdp(socket, RET);
  return load<u8>(RET) == 0 ? textAt(RET + 4) : 'error ' + load<u8>(RET, 4).toString();
}

export function handle3(request: i32): usize {
  pathWithQuery(request, RET);
  const wanted = load<u8>(RET) == 0 ? '/' : textAt(RET + 4);
  getMethod(request, RET);
  const method = <i32>load<u8>(RET);
  consumeBody(request, <i32>newDone(), RET);
  const body = load<i32>(RET);
  const trailers = load<i32>(RET, 4);
  if (wanted.startsWith('/fetch')) {
    newRequest(newFields(), 1, body, trailers, 0, 0, RET);
    const passed = load<i32>(RET);
    const host = new Utf8(query(wanted, 'to', 'localhost'));
    const path = new Utf8(query(wanted, 'path', '/'));
    setMethod(passed, method, 0, 0);
    setScheme(passed, 1, 0, 0, 0);
    setAuthority(passed, 1, host.at, host.length);
    setPath(passed, 1, path.at, path.length);
    // The other Service's response is the answer, or its error is.
    send(passed, ANSWER);
    return ANSWER;
  }
  if (wanted.startsWith('/file')) {
    const file = open(query(wanted, 'path', ''), 0, 1);
    if (file < 0) return failed(-1 - file, body, trailers);
    dropContents(body);
    readViaStream(file, 0, RET);
    return answer('ok', load<i32>(RET), trailers);
  }
  if (wanted.startsWith('/write')) {
    const file = open(query(wanted, 'path', ''), 1, 2);
    if (file < 0) return failed(-1 - file, body, trailers);
    const written = writeViaStream(file, body, 0);
    if (readWritten(written, RET) == BLOCKED) {
      const set = newWaitableSet();
      join(written, set);
      waitOn(set, RET + 64);
    }
    return answer(load<u8>(RET) == 0 ? 'ok' : 'error ' + load<u8>(RET, 4).toString(), -1, trailers);
  }
  if (wanted.startsWith('/tcp')) {
    const to = Address.parse(query(wanted, 'to', '127.0.0.1:1'));
    createTcp(0, RET);
    if (load<u8>(RET) != 0) return failed(load<u8>(RET, 4), body, trailers);
    const socket = load<i32>(RET, 4);
    connectTcp(socket, 0, to.port, to.a, to.b, to.c, to.d, 0, 0, 0, 0, 0, 0, RET);
    if (load<u8>(RET) != 0) return failed(load<u8>(RET, 4), body, trailers);
    sendTcp(socket, body);
    receiveTcp(socket, RET);
    return answer('ok', load<i32>(RET), trailers);
  }
  dropContents(body);
  let text = 'ok';
  if (wanted.startsWith('/udp')) text = overUdp(Address.parse(query(wanted, 'to', '127.0.0.1:1')));
  else if (wanted.startsWith('/sleep')) waitFor(<u64>number(wanted, 'ms', 1) * 1000000);
  else if (wanted.startsWith('/open')) {
    let opened = 0;
    const count = number(wanted, 'n', 1);
    for (let i = 0; i < count; i++) if (open(query(wanted, 'path', ''), 0, 1) >= 0) opened += 1;
    text = opened.toString();
  } else if (wanted.startsWith('/many')) {
    let made = 0;
    const count = number(wanted, 'n', 1);
    for (let i = 0; i < count; i++) {
      createTcp(0, RET);
      if (load<u8>(RET) == 0) made += 1;
    }
    text = made.toString();
  } else if (wanted.startsWith('/name')) {
    const name = new Utf8(query(wanted, 'of', ''));
    resolveAddresses(name.at, name.length, RET);
    text = load<u8>(RET) == 0 ? 'found ' + load<u32>(RET, 8).toString() : 'error ' + load<u8>(RET, 4).toString();
  }
  return answer(text, -1, trailers);
}
