// Uses a handle it has dropped.
import { append, dropFields, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const fields = newFields();
  dropFields(fields);
  append(fields, 'x-a', 'b');
}
