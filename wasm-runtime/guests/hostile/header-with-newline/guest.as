// Tries to smuggle a second answer into a header.
import { append, begin, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const fields = newFields();
  const taken = append(fields, 'x-a', 'b\r\nx-smuggled: yes\r\n\r\nHTTP/1.1 200 OK');
  const body = begin(out, taken ? 500 : 200, fields);
  body.write('refused');
  body.finish();
}
