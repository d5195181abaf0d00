// A component with a type of fifty thousand options in one another.

import { component, leb, section, typeIndex } from '../../tools/binary.ts';

const DEPTH = 50_000;
const OPTION = 0x6b;
const U8 = 0x7d;

export async function generate(): Promise<Uint8Array> {
  const types = Array.from({ length: DEPTH }, (_, index) => [OPTION, ...(index === 0 ? [U8] : typeIndex(index - 1))]);
  return component(section(7, [...leb(DEPTH), ...types.flat()]));
}
