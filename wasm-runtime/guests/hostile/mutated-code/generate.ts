// A good component with every fiftieth byte changed.

import { mutate } from '../../tools/binary.ts';

export async function generate(_: unknown, built: (guest: string) => Promise<Uint8Array>): Promise<Uint8Array> {
  return mutate(await built('echo'), { every: 50, seed: 5 });
}
