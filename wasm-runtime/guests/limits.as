// Takes as much as it is told to: /memory?pages=, /cpu?ms= (of wall time, busy), /handles?n=, then answers; traps when it is refused.
import { number } from './kit/memory';
import { answer, newFields, path } from './kit/http';
export { cabi_realloc } from './kit/memory';

@external("wasi:clocks/monotonic-clock@0.2.12", "now")
declare function now(): u64;

let result: i32 = 0;

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  if (wanted.startsWith('/memory')) {
    if (memory.grow(number(wanted, 'pages', 1)) < 0) unreachable();
  } else if (wanted.startsWith('/cpu')) {
    const end = now() + <u64>number(wanted, 'ms', 10) * 1000000;
    while (now() < end) for (let i = 0; i < 10000; i++) result ^= i * 7;
  } else if (wanted.startsWith('/handles')) {
    const count = number(wanted, 'n', 1);
    for (let i = 0; i < count; i++) newFields();
  }
  answer(out, 200, 'taken\n');
}
