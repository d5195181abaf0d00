// Tries to answer twice.
import { answer } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  answer(out, 200, 'once');
  answer(out, 200, 'twice');
}
