// Tries to send requests without end, to places it was not allowed.
import { newFields } from '../../kit/http';
import { Call, GET } from '../../kit/client';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  for (;;) new Call(GET, '10.0.0.1:80', '/', newFields());
}
