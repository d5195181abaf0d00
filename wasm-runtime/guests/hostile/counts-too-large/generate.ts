// Says that a section has four thousand million entries.

import { component, section } from '../../tools/binary.ts';

export async function generate(): Promise<Uint8Array> {
  return component(section(10, [0xff, 0xff, 0xff, 0xff, 0x0f]));
}
