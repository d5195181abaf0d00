// Tries to send one header of a megabyte.
import { append, begin, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const fields = newFields();
  append(fields, 'x-long', 'x'.repeat(1000000));
  begin(out, 200, fields).finish();
}
