// Counts the requests its instance has answered; /trap ends it, /sleep?ms= waits first.
import { number } from './kit/memory';
import { sleep } from './kit/io';
import { answer, path } from './kit/http';
export { cabi_realloc } from './kit/memory';

let count = 0;

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  if (wanted.startsWith('/trap')) unreachable();
  if (wanted.startsWith('/sleep')) sleep(number(wanted, 'ms', 10));
  count += 1;
  answer(out, 200, count.toString());
}
