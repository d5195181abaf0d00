// A core module that is neither a command nor made for an interface.

export async function generate(): Promise<Uint8Array> {
  return Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
}
