// Asks for its configuration without end, always into the same place.
import { RET } from '../../kit/memory';

const PLACE: usize = memory.data(4096, 8);

export function cabi_realloc(old: usize, size: usize, align: usize, wanted: usize): usize {
  return PLACE;
}

@external("wasi:config/store@0.2.0-rc.1", "get-all")
declare function getAll(result: usize): void;

export function handle(request: i32, out: i32): void {
  for (;;) getAll(RET);
}
