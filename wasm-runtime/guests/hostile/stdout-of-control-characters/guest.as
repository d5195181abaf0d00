// Tries to write lines that look like another's, and bytes that are no text.
import { print, writeBytes } from '../../kit/io';
import { answer } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:cli/stdout@0.2.12", "get-stdout")
declare function getStdout(): i32;

export function handle(request: i32, out: i32): void {
  print('\r\n2030-01-01T00:00:00.000000000Z stdout F forged\n\u001b[2J\u0000\n');
  const bytes = heap.alloc(256);
  for (let i = 0; i < 256; i++) store<u8>(bytes + i, <u8>i);
  writeBytes(getStdout(), bytes, 256);
  answer(out, 200, 'printed');
}
