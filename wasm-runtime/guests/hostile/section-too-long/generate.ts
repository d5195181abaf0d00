// Says that a section is four thousand million bytes long.

import { component } from '../../tools/binary.ts';

export async function generate(): Promise<Uint8Array> {
  return component([7, 0xff, 0xff, 0xff, 0xff, 0x0f]);
}
