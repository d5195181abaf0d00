// Tries to pass off part of a body as the whole: traps in its middle.
import { begin, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  begin(out, 200, newFields()).write('the beginning');
  unreachable();
}
