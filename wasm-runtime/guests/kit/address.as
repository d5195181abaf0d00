// IPv4 addresses and ports, as text and in memory.

export class Address {
  a: i32 = 0;
  b: i32 = 0;
  c: i32 = 0;
  d: i32 = 0;
  port: i32 = 0;

  /** From `1.2.3.4:5`. */
  static parse(text: string): Address {
    const halves = text.split(':');
    const parts = halves[0].split('.');
    const address = new Address();
    address.a = <i32>parseInt(parts[0]);
    address.b = <i32>parseInt(parts[1]);
    address.c = <i32>parseInt(parts[2]);
    address.d = <i32>parseInt(parts[3]);
    address.port = <i32>parseInt(halves[1]);
    return address;
  }
}

/** An address as a variant in memory. */
export function stored(address: Address): usize {
  const at = heap.alloc(32);
  memory.fill(at, 0, 32);
  store<u16>(at, <u16>address.port, 4);
  store<u8>(at, <u8>address.a, 6);
  store<u8>(at, <u8>address.b, 7);
  store<u8>(at, <u8>address.c, 8);
  store<u8>(at, <u8>address.d, 9);
  return at;
}
