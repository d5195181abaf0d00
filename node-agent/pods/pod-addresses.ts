// Pod addresses out of the node's block. An address is an identity, not a listener; one that is free again is handed out last.

export class PodAddresses {
  readonly #first: number;
  readonly #count: number;
  readonly #taken = new Set<number>();
  #next = 1;

  /** `cidr`: e.g. `127.128.16.0/20`. */
  constructor(cidr: string) {
    const [address = '', bits = '32'] = cidr.split('/');
    this.#first = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    this.#count = 2 ** (32 - Number(bits));
  }

  /** Takes `wanted` when it is of this block and free, else the next free one; undefined when all are taken. */
  take(wanted?: string): string | undefined {
    if (wanted !== undefined) {
      const offset = this.#offsetOf(wanted);
      if (offset > 0 && offset < this.#count && !this.#taken.has(offset)) {
        this.#taken.add(offset);
        return wanted;
      }
    }
    for (let step = 0; step < this.#count - 2; step += 1) {
      const offset = 1 + ((this.#next - 1 + step) % (this.#count - 2));
      if (this.#taken.has(offset)) continue;
      this.#taken.add(offset);
      this.#next = offset + 1;
      const number = this.#first + offset;
      return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
    }
    return undefined;
  }

  release(address: string): void {
    this.#taken.delete(this.#offsetOf(address));
  }

  #offsetOf(address: string): number {
    return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) - this.#first;
  }
}
