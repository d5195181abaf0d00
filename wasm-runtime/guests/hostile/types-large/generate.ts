// A component with a record whose size doubles with each of sixty types.

import { component, leb, section, typeIndex } from '../../tools/binary.ts';

const DEPTH = 60;
const TUPLE = 0x6f;
const U64 = 0x77;

export async function generate(): Promise<Uint8Array> {
  const types = Array.from({ length: DEPTH }, (_, index) => [TUPLE, 2, ...(index === 0 ? [U64, U64] : [...typeIndex(index - 1), ...typeIndex(index - 1)])]);
  return component(section(7, [...leb(DEPTH), ...types.flat()]));
}
