// Guesses handles it was never given.
import { append } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  for (let i = 0x7ffffff0; i > 0; i += 3) append(i, 'x-a', 'b');
  append(-1, 'x-a', 'b');
}
