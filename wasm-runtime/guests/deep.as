// Traps three named functions deep.
import { answer } from './kit/http';
export { cabi_realloc } from './kit/memory';

let depth = 3;

function innermost(): void {
  if (depth > 0) unreachable();
}

function middle(): void {
  innermost();
  depth -= 1;
}

export function handle(request: i32, out: i32): void {
  middle();
  answer(out, 200, depth.toString());
}
