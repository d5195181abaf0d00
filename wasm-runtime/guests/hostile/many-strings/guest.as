// Makes the host copy a hundred megabytes of headers in one call, all of them the same piece of memory.
import { RET } from '../../kit/memory';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:http/types@0.2.12", "[static]fields.from-list")
declare function fromList(list: usize, count: usize, result: usize): void;

export function handle(request: i32, out: i32): void {
  const value = heap.alloc(100000);
  memory.fill(value, 120, 100000);
  const list = heap.alloc(16 * 1000);
  for (let i = 0; i < 1000; i++) {
    store<usize>(list + i * 16, value);
    store<usize>(list + i * 16, 3, 4);
    store<usize>(list + i * 16, value, 8);
    store<usize>(list + i * 16, 100000, 12);
  }
  fromList(list, 1000, RET);
  unreachable();
}
