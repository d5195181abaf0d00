// Asks the host for a terabyte of random bytes.
import { RET } from '../../kit/memory';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:random/random@0.2.12", "get-random-bytes")
declare function randomBytes(count: u64, result: usize): void;

export function handle(request: i32, out: i32): void {
  randomBytes(1099511627776, RET);
}
