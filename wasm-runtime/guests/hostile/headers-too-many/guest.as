// Tries to send headers without end.
import { append, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const fields = newFields();
  for (let i = 0; i >= 0; i++) append(fields, 'x-' + i.toString(), 'value');
}
