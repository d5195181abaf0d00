// A header and a hundred thousand zeroes: empty custom sections without a name.

import { component } from '../../tools/binary.ts';

export async function generate(): Promise<Uint8Array> {
  return component(Array.from({ length: 100_000 }, () => 0));
}
