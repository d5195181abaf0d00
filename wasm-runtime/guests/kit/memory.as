// What every guest in AssemblyScript needs of the canonical ABI: an area for results, strings as UTF-8, lists the host hands over.

/** Results that do not fit one value are written here by the host; the largest takes 96 bytes. */
export const RET: usize = memory.data(128, 8);

/** Where the host puts lists and strings. Nothing is ever freed: an instance is gone before that matters. */
export function cabi_realloc(old: usize, size: usize, align: usize, wanted: usize): usize {
  const made = heap.alloc(wanted);
  if (size > 0) memory.copy(made, old, size);
  return made;
}

/** Text as the host takes it. */
export class Utf8 {
  bytes: ArrayBuffer;
  constructor(text: string) {
    this.bytes = String.UTF8.encode(text);
  }
  get at(): usize {
    return changetype<usize>(this.bytes);
  }
  get length(): usize {
    return <usize>this.bytes.byteLength;
  }
}

/** Text the host has written: pointer and length stand at `place`. */
export function textAt(place: usize): string {
  return String.UTF8.decodeUnsafe(load<usize>(place), load<usize>(place, 4));
}

/** The value of `name` in a path's query, or what stands for it when it is absent. */
export function query(path: string, name: string, otherwise: string): string {
  const mark = path.indexOf('?');
  if (mark < 0) return otherwise;
  const pairs = path.substring(mark + 1).split('&');
  for (let i = 0; i < pairs.length; i++) {
    if (pairs[i].startsWith(name + '=')) return decodeURIComponent(pairs[i].substring(name.length + 1));
  }
  return otherwise;
}

export function number(path: string, name: string, otherwise: i32): i32 {
  const text = query(path, name, '');
  return text == '' ? otherwise : <i32>parseInt(text);
}
