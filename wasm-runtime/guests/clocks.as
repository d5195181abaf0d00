// Looks at clocks and chance: / says both resolutions and whether a hundred readings were all whole milliseconds, /random?n= gives that many bytes as hexadecimal text.
import { number, RET } from './kit/memory';
import { sleep } from './kit/io';
import { answer, path } from './kit/http';
export { cabi_realloc } from './kit/memory';

@external("wasi:clocks/monotonic-clock@0.2.12", "now")
declare function now(): u64;
@external("wasi:clocks/monotonic-clock@0.2.12", "resolution")
declare function resolution(): u64;
@external("wasi:clocks/wall-clock@0.2.12", "now")
declare function wallNow(result: usize): void;
@external("wasi:random/random@0.2.12", "get-random-bytes")
declare function randomBytes(count: u64, result: usize): void;

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  if (wanted.startsWith('/random')) {
    randomBytes(<u64>number(wanted, 'n', 8), RET);
    let text = '';
    const at = load<usize>(RET);
    for (let i = 0; i < load<i32>(RET, 4); i++) text += load<u8>(at + i).toString(16).padStart(2, '0');
    return answer(out, 200, text);
  }
  let coarse = true;
  const before = now();
  for (let i = 0; i < 100; i++) if (now() % 1000000 != 0) coarse = false;
  sleep(5);
  const slept = now() - before;
  wallNow(RET);
  const wholeMillis = load<u32>(RET, 8) % 1000000 == 0;
  answer(out, 200, 'resolution ' + resolution().toString() + '\ncoarse ' + coarse.toString() + '\nwall coarse ' + wholeMillis.toString() + '\nslept ' + (slept >= 5000000).toString() + '\nseconds ' + load<u64>(RET).toString() + '\n');
}
