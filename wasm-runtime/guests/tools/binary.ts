// Pieces of WebAssembly's binary format (component-model, design/mvp/Binary.md), for files no tool would write.

const HEADER = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];

/** LEB128. */
export function leb(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}

/** An index where a type may also stand by itself: signed, so that it is never taken for one (s33). */
export function typeIndex(index: number): readonly number[] {
  const bytes = leb(index);
  const last = bytes.at(-1) ?? 0;
  return (last & 0x40) === 0 ? bytes : [...bytes.slice(0, -1), last | 0x80, 0];
}

export function text(value: string): readonly number[] {
  const bytes = Buffer.from(value);
  return [...leb(bytes.length), ...bytes];
}

export function section(id: number, content: readonly number[]): readonly number[] {
  return [id, ...leb(content.length), ...content];
}

export function component(...sections: readonly (readonly number[])[]): Uint8Array {
  return Uint8Array.from([...HEADER, ...sections.flat()]);
}

/** Changes about one byte in `every`, the same ones each time, and leaves the header alone. */
export function mutate(bytes: Uint8Array, { every, seed }: { readonly every: number; readonly seed: number }): Uint8Array {
  const changed = Uint8Array.from(bytes);
  let state = seed;
  // A linear congruential generator (Numerical Recipes).
  const next = (): number => (state = (state * 1664525 + 1013904223) % 2 ** 32);
  for (let at = HEADER.length; at < changed.length; at += 1) {
    if (next() % every === 0) changed[at] = next() % 256;
  }
  return changed;
}
