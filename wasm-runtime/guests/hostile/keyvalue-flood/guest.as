// Tries to fill the disk with keys and values.
import { RET, Utf8 } from '../../kit/memory';
import { answer } from '../../kit/http';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:keyvalue/store@0.2.0-draft2", "open")
declare function openBucket(at: usize, length: usize, result: usize): void;
@external("wasi:keyvalue/store@0.2.0-draft2", "[method]bucket.set")
declare function bucketSet(bucket: i32, at: usize, length: usize, value: usize, valueLength: usize, result: usize): void;

export function handle(request: i32, out: i32): void {
  const name = new Utf8('default');
  openBucket(name.at, name.length, RET);
  const bucket = load<i32>(RET, 4);
  const value = heap.alloc(60000);
  for (let i = 0; i < 1000; i++) {
    const key = new Utf8(i.toString());
    bucketSet(bucket, key.at, key.length, value, 60000, RET);
    if (load<u8>(RET) != 0) return answer(out, 200, 'held');
  }
  answer(out, 200, 'not held');
}
