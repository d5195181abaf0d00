// Tries to keep its client waiting: begins a body and sleeps.
import { sleep } from '../../kit/io';
import { begin, newFields } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  begin(out, 200, newFields()).write('the beginning');
  sleep(1000000);
}
