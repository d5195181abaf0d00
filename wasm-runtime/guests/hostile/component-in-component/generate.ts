// Two thousand components, each inside another.

import { component, leb } from '../../tools/binary.ts';

const DEPTH = 2_000;
const COMPONENT = 4;

export async function generate(): Promise<Uint8Array> {
  let inner = component();
  for (let depth = 0; depth < DEPTH; depth += 1) inner = component([COMPONENT, ...leb(inner.length), ...inner]);
  return inner;
}
