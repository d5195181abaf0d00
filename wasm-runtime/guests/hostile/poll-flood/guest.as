// Tries to keep the host busy with long lists of pollables, over and over.
import { RET } from '../../kit/memory';

const PLACE: usize = memory.data(4096, 8);

export function cabi_realloc(old: usize, size: usize, align: usize, wanted: usize): usize {
  return PLACE;
}

@external("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration")
declare function subscribe(nanos: u64): i32;
@external("wasi:io/poll@0.2.12", "poll")
declare function poll(list: usize, count: usize, result: usize): void;

export function handle(request: i32, out: i32): void {
  const list = heap.alloc(4 * 500);
  for (let i = 0; i < 500; i++) store<i32>(list + i * 4, subscribe(0));
  for (;;) poll(list, 500, RET);
}
