// Tries to make the host hold one endless line.
import { writeBytes } from '../../kit/io';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:cli/stdout@0.2.12", "get-stdout")
declare function getStdout(): i32;

export function handle(request: i32, out: i32): void {
  const stream = getStdout();
  const bytes = heap.alloc(4096);
  memory.fill(bytes, 120, 4096);
  for (;;) writeBytes(stream, bytes, 4096);
}
