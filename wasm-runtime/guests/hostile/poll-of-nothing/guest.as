// Tries to wait for an empty list, which is never ready.
import { RET } from '../../kit/memory';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:io/poll@0.2.12", "poll")
declare function poll(list: usize, count: usize, result: usize): void;

export function handle(request: i32, out: i32): void {
  poll(0, 0, RET);
}
