// Tries to fill the host with resources: sets of headers it never drops.
import { newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  for (;;) newFields();
}
