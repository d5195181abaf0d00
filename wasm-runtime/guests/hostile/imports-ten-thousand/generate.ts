// A component with ten thousand imports nobody offers.

import { component, leb, section, text } from '../../tools/binary.ts';

const COUNT = 10_000;

export async function generate(): Promise<Uint8Array> {
  // A function without parameters and results.
  const type = section(7, [1, 0x40, 0, 1, 0]);
  const imports = Array.from({ length: COUNT }, (_, index) => [0, ...text(`number${index}`), 1, 0]);
  return component(type, section(10, [...leb(COUNT), ...imports.flat()]));
}
