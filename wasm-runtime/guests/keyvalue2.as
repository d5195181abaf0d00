// wasi:keyvalue@0.2.0-draft2, as keyvalue.as, and /swap?value= with compare-and-swap (?meanwhile= is set in between).
import { number, query, RET, textAt, Utf8 } from './kit/memory';
import { answer, path } from './kit/http';
export { cabi_realloc } from './kit/memory';

@external("wasi:keyvalue/store@0.2.0-draft2", "open")
declare function openBucket(at: usize, length: usize, result: usize): void;
@external("wasi:keyvalue/store@0.2.0-draft2", "[method]bucket.get")
declare function bucketGet(bucket: i32, at: usize, length: usize, result: usize): void;
@external("wasi:keyvalue/store@0.2.0-draft2", "[method]bucket.set")
declare function bucketSet(bucket: i32, at: usize, length: usize, value: usize, valueLength: usize, result: usize): void;
@external("wasi:keyvalue/store@0.2.0-draft2", "[method]bucket.delete")
declare function bucketDelete(bucket: i32, at: usize, length: usize, result: usize): void;
@external("wasi:keyvalue/store@0.2.0-draft2", "[method]bucket.exists")
declare function bucketExists(bucket: i32, at: usize, length: usize, result: usize): void;
@external("wasi:keyvalue/atomics@0.2.0-draft2", "increment")
declare function increment(bucket: i32, at: usize, length: usize, by: i64, result: usize): void;
@external("wasi:keyvalue/batch@0.2.0-draft2", "get-many")
declare function getMany(bucket: i32, list: usize, count: usize, result: usize): void;
@external("wasi:keyvalue/batch@0.2.0-draft2", "set-many")
declare function setMany(bucket: i32, list: usize, count: usize, result: usize): void;
@external("wasi:keyvalue/batch@0.2.0-draft2", "delete-many")
declare function deleteMany(bucket: i32, list: usize, count: usize, result: usize): void;

const none = "none";

function entry(list: usize, index: i32, key: string, value: string): void {
  const name = new Utf8(key);
  const text = new Utf8(value);
  store<usize>(list + index * 16, name.at);
  store<usize>(list + index * 16, name.length, 4);
  store<usize>(list + index * 16, text.at, 8);
  store<usize>(list + index * 16, text.length, 12);
}

function names(list: usize, index: i32, key: string): void {
  const name = new Utf8(key);
  store<usize>(list + index * 8, name.at);
  store<usize>(list + index * 8, name.length, 4);
}

/** Sets a and b, reads a, b and c, deletes a and b, reads again. */
function batch(bucket: i32): string {
  const entries = heap.alloc(32);
  entry(entries, 0, "a", "1");
  entry(entries, 1, "b", "2");
  setMany(bucket, entries, 2, RET);
  if (load<u8>(RET) != 0) return "error setting";
  const keys = heap.alloc(24);
  names(keys, 0, "a");
  names(keys, 1, "b");
  names(keys, 2, "c");
  let text = values(bucket, keys);
  deleteMany(bucket, keys, 2, RET);
  if (load<u8>(RET) != 0) return "error deleting";
  return text + "; " + values(bucket, keys);
}

function values(bucket: i32, keys: usize): string {
  getMany(bucket, keys, 3, RET);
  if (load<u8>(RET) != 0) return 'error reading';
  const list = load<usize>(RET, 4);
  let text = '';
  for (let i = 0; i < 3; i++) text += load<u8>(list + i * 20 + 8) == 0 ? '-' : textAt(list + i * 20) + textAt(list + i * 20 + 12);
  return text;
}

@external("wasi:keyvalue/store@0.2.0-draft2", "[method]bucket.list-keys")
declare function listKeys(bucket: i32, some: i32, at: usize, length: usize, result: usize): void;

function allKeys(bucket: i32): string {
  let text = '';
  let some = 0;
  let at: usize = 0;
  let length: usize = 0;
  do {
    listKeys(bucket, some, at, length, RET);
    if (load<u8>(RET) != 0) return 'error';
    const list = load<usize>(RET, 4);
    for (let i = 0; i < load<i32>(RET, 8); i++) text += textAt(list + i * 8) + '\n';
    some = load<u8>(RET, 12);
    at = load<usize>(RET, 16);
    length = load<usize>(RET, 20);
  } while (some == 1);
  return text;
}

@external("wasi:keyvalue/atomics@0.2.0-draft2", "[static]cas.new")
declare function newCas(bucket: i32, at: usize, length: usize, result: usize): void;
@external("wasi:keyvalue/atomics@0.2.0-draft2", "[method]cas.current")
declare function casCurrent(cas: i32, result: usize): void;
@external("wasi:keyvalue/atomics@0.2.0-draft2", "swap")
declare function swap(cas: i32, at: usize, length: usize, result: usize): void;

/** `swapped`, or `lost to` and the value that was there instead. */
function compareAndSwap(bucket: i32, key: Utf8, value: string, meanwhile: string): string {
  newCas(bucket, key.at, key.length, RET);
  if (load<u8>(RET) != 0) return 'error';
  const cas = load<i32>(RET, 4);
  if (meanwhile != '') {
    const other = new Utf8(meanwhile);
    bucketSet(bucket, key.at, key.length, other.at, other.length, RET);
  }
  const text = new Utf8(value);
  swap(cas, text.at, text.length, RET);
  if (load<u8>(RET) == 0) return 'swapped';
  if (load<u8>(RET, 4) == 0) return 'error';
  casCurrent(load<i32>(RET, 8), RET);
  return 'lost to ' + textAt(RET + 8);
}

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  const name = new Utf8(query(wanted, "bucket", "default"));
  openBucket(name.at, name.length, RET);
  if (load<u8>(RET) != 0) return answer(out, 404, "error " + load<u8>(RET, 4).toString());
  const bucket = load<i32>(RET, 4);
  const key = new Utf8(query(wanted, "key", "key"));
  if (wanted.startsWith("/get")) {
    bucketGet(bucket, key.at, key.length, RET);
    if (load<u8>(RET) == 0) return answer(out, 200, load<u8>(RET, 4) == 0 ? none : textAt(RET + 8));
  } else if (wanted.startsWith("/set")) {
    const value = new Utf8(query(wanted, "value", "x".repeat(number(wanted, "bytes", 1))));
    bucketSet(bucket, key.at, key.length, value.at, value.length, RET);
    if (load<u8>(RET) == 0) return answer(out, 200, "set");
  } else if (wanted.startsWith("/delete")) {
    bucketDelete(bucket, key.at, key.length, RET);
    if (load<u8>(RET) == 0) return answer(out, 200, "deleted");
  } else if (wanted.startsWith("/exists")) {
    bucketExists(bucket, key.at, key.length, RET);
    if (load<u8>(RET) == 0) return answer(out, 200, load<u8>(RET, 4) == 0 ? "no" : "yes");
  } else if (wanted.startsWith("/add")) {
    increment(bucket, key.at, key.length, <i64>number(wanted, "by", 1), RET);
    if (load<u8>(RET) == 0) return answer(out, 200, load<i64>(RET, 8).toString());
    return answer(out, 500, textAt(RET + 12));
  } else if (wanted.startsWith("/keys")) {
    return answer(out, 200, allKeys(bucket));
  } else if (wanted.startsWith("/swap")) {
    return answer(out, 200, compareAndSwap(bucket, key, query(wanted, "value", "x"), query(wanted, "meanwhile", "")));
  } else {
    return answer(out, 200, batch(bucket));
  }
  answer(out, 500, textAt(RET + 8));
}
