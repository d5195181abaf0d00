// Writes a number in more bytes than a number has.

import { component } from '../../tools/binary.ts';

export async function generate(): Promise<Uint8Array> {
  return component([7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
}
