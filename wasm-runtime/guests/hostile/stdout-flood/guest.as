// Tries to fill the disk with lines.
import { writeBytes } from '../../kit/io';
import { Utf8 } from '../../kit/memory';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:cli/stdout@0.2.12", "get-stdout")
declare function getStdout(): i32;

export function handle(request: i32, out: i32): void {
  const line = 'x'.repeat(99) + '\n';
  const lines = new Utf8(line.repeat(40));
  const stream = getStdout();
  for (;;) writeBytes(stream, lines.at, lines.length);
}
