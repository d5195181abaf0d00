// Tries to send without end.
import { writeBytes } from '../../kit/io';
import { begin, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const body = begin(out, 200, newFields());
  const piece = heap.alloc(4096);
  while (writeBytes(body.stream, piece, 4096)) continue;
}
