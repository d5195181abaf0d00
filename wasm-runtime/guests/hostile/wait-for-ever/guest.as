// Tries to hold its place by waiting for the end of time.
export { cabi_realloc } from '../../kit/memory';

@external("wasi:clocks/monotonic-clock@0.2.12", "subscribe-instant")
declare function subscribe(when: u64): i32;
@external("wasi:io/poll@0.2.12", "[method]pollable.block")
declare function block(pollable: i32): void;

export function handle(request: i32, out: i32): void {
  block(subscribe(u64.MAX_VALUE));
}
