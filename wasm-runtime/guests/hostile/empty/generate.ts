// No bytes at all.

export async function generate(): Promise<Uint8Array> {
  return new Uint8Array();
}
