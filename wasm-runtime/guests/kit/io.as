// wasi:io and the standard streams.

import { RET, Utf8 } from './memory';

@external("wasi:io/streams@0.2.12", "[method]output-stream.blocking-write-and-flush")
declare function blockingWrite(stream: i32, at: usize, length: usize, result: usize): void;
@external("wasi:io/streams@0.2.12", "[method]input-stream.blocking-read")
declare function blockingRead(stream: i32, most: u64, result: usize): void;
@external("wasi:io/streams@0.2.12", "[resource-drop]output-stream")
export declare function dropOutput(stream: i32): void;
@external("wasi:io/streams@0.2.12", "[resource-drop]input-stream")
export declare function dropInput(stream: i32): void;
@external("wasi:io/poll@0.2.12", "[method]pollable.block")
declare function blockOn(pollable: i32): void;
@external("wasi:io/poll@0.2.12", "[resource-drop]pollable")
declare function dropPollable(pollable: i32): void;
@external("wasi:cli/stdout@0.2.12", "get-stdout")
declare function getStdout(): i32;
@external("wasi:cli/stderr@0.2.12", "get-stderr")
declare function getStderr(): i32;
@external("wasi:cli/stdin@0.2.12", "get-stdin")
declare function getStdin(): i32;
@external("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration")
declare function subscribeDuration(nanos: u64): i32;

/** A call takes 4096 bytes at most. */
const PIECE: usize = 4096;

/** False once the stream is broken. */
export function writeBytes(stream: i32, at: usize, length: usize): bool {
  let sent: usize = 0;
  while (sent < length) {
    const piece = min(PIECE, length - sent);
    blockingWrite(stream, at + sent, piece, RET);
    if (load<u8>(RET) != 0) return false;
    sent += piece;
  }
  return true;
}

export function write(stream: i32, text: string): bool {
  const bytes = new Utf8(text);
  return writeBytes(stream, bytes.at, bytes.length);
}

/** The next bytes, or null when there are no more. */
export function read(stream: i32): ArrayBuffer | null {
  blockingRead(stream, PIECE, RET);
  if (load<u8>(RET) != 0) return null;
  const length = load<u32>(RET, 8);
  const bytes = new ArrayBuffer(length);
  memory.copy(changetype<usize>(bytes), load<usize>(RET, 4), length);
  return bytes;
}

export function readAll(stream: i32): string {
  let text = '';
  let bytes = read(stream);
  while (bytes !== null) {
    text += String.UTF8.decode(bytes);
    bytes = read(stream);
  }
  return text;
}

export function wait(pollable: i32): void {
  blockOn(pollable);
  dropPollable(pollable);
}

export function sleep(ms: i32): void {
  wait(subscribeDuration(<u64>ms * 1000000));
}

export function print(text: string): void {
  const stream = getStdout();
  write(stream, text);
  dropOutput(stream);
}

export function complain(text: string): void {
  const stream = getStderr();
  write(stream, text);
  dropOutput(stream);
}

export function input(): string {
  const stream = getStdin();
  const text = readAll(stream);
  dropInput(stream);
  return text;
}
