// wasi:filesystem 0.2.

import { RET, Utf8, textAt } from './memory';

@external("wasi:filesystem/preopens@0.2.12", "get-directories")
declare function getDirectories(result: usize): void;
@external("wasi:filesystem/types@0.2.12", "[method]descriptor.open-at")
declare function openAt(directory: i32, pathFlags: i32, at: usize, length: usize, openFlags: i32, flags: i32, result: usize): void;
@external("wasi:filesystem/types@0.2.12", "[method]descriptor.read")
declare function readFrom(file: i32, length: u64, offset: u64, result: usize): void;
@external("wasi:filesystem/types@0.2.12", "[method]descriptor.write")
declare function writeTo(file: i32, at: usize, length: usize, offset: u64, result: usize): void;
@external("wasi:filesystem/types@0.2.12", "[method]descriptor.symlink-at")
declare function symlinkAt(directory: i32, old: usize, oldLength: usize, made: usize, madeLength: usize, result: usize): void;
@external("wasi:filesystem/types@0.2.12", "[method]descriptor.create-directory-at")
declare function createDirectoryAt(directory: i32, at: usize, length: usize, result: usize): void;
@external("wasi:filesystem/types@0.2.12", "[resource-drop]descriptor")
export declare function dropDescriptor(descriptor: i32): void;

export const READ = 1;
export const WRITE = 2;
export const CREATE = 1;

export class Preopen {
  constructor(public handle: i32, public name: string) {}
}

export function preopens(): Preopen[] {
  getDirectories(RET);
  const list = load<usize>(RET);
  const count = load<i32>(RET, 4);
  const found: Preopen[] = [];
  for (let i = 0; i < count; i++) found.push(new Preopen(load<i32>(list + i * 12), textAt(list + i * 12 + 4)));
  return found;
}

/** The descriptor, or minus one and the error-code's number. */
export function open(directory: i32, path: string, openFlags: i32, flags: i32): i32 {
  const name = new Utf8(path);
  openAt(directory, 1, name.at, name.length, openFlags, flags, RET);
  return load<u8>(RET) == 0 ? load<i32>(RET, 4) : -1 - <i32>load<u8>(RET, 4);
}

/** Its first 64 KiB. */
export function content(file: i32): string {
  readFrom(file, 65536, 0, RET);
  return load<u8>(RET) == 0 ? textAt(RET + 4) : 'error ' + load<u8>(RET, 4).toString();
}

/** The error-code's number, or -1. */
export function overwrite(file: i32, text: string): i32 {
  const bytes = new Utf8(text);
  writeTo(file, bytes.at, bytes.length, 0, RET);
  return load<u8>(RET) == 0 ? -1 : load<u8>(RET, 8);
}

/** The error-code's number, or -1. */
export function symlink(directory: i32, target: string, made: string): i32 {
  const from = new Utf8(target);
  const to = new Utf8(made);
  symlinkAt(directory, from.at, from.length, to.at, to.length, RET);
  return load<u8>(RET) == 0 ? -1 : load<u8>(RET, 1);
}

/** The error-code's number, or -1. */
export function makeDirectory(directory: i32, path: string): i32 {
  const name = new Utf8(path);
  createDirectoryAt(directory, name.at, name.length, RET);
  return load<u8>(RET) == 0 ? -1 : load<u8>(RET, 1);
}
