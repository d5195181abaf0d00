// Tries to hold its place and its client by a byte now and then.
import { sleep } from '../../kit/io';
import { begin, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const body = begin(out, 200, newFields());
  while (body.write('.')) sleep(20);
}
