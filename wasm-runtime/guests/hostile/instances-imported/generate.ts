// A component with ten thousand instances for imports, more than a component may have.

import { component, leb, section, text } from '../../tools/binary.ts';

const COUNT = 10_000;

export async function generate(): Promise<Uint8Array> {
  const emptyInstance = section(7, [1, 0x42, 0]);
  const imports = Array.from({ length: COUNT }, (_, index) => [0, ...text(`hostile:imports/number${index}`), 5, 0]);
  return component(emptyInstance, section(10, [...leb(COUNT), ...imports.flat()]));
}
