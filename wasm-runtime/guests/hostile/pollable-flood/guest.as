// Tries to fill the host with timers.
export { cabi_realloc } from '../../kit/memory';

@external("wasi:clocks/monotonic-clock@0.2.12", "subscribe-duration")
declare function subscribe(nanos: u64): i32;

export function handle(request: i32, out: i32): void {
  for (;;) subscribe(1000000000000);
}
