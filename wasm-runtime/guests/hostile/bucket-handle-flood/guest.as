// Opens its bucket without end.
import { RET, Utf8 } from '../../kit/memory';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:keyvalue/store@0.2.0-draft", "open")
declare function openBucket(at: usize, length: usize, result: usize): void;

export function handle(request: i32, out: i32): void {
  const name = new Utf8('default');
  for (;;) openBucket(name.at, name.length, RET);
}
