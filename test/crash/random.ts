// Randomness that a printed seed brings back.

/** Numbers in [0, 1), the same ones for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** COPEPOD_SEED, or one of this moment; printed by whoever uses it. */
export function seedOf(): number {
  const wanted = Number(process.env['COPEPOD_SEED'] ?? '');
  return wanted > 0 ? wanted : Date.now() % 1_000_000_000;
}
