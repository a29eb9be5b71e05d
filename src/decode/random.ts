// Random numbers that belong to a seed and a row: the same on every engine, whatever the other rows are.

/** The 64 bits of a number, which wraps around. */
const bits64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** The distance of two states: 2^64 over the golden ratio, odd. */
const GAMMA = 0x9e3779b97f4a7c15n;

/**
 * The output of SplitMix64 at a state (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with the
 * constants of Stafford's variant 13).
 */
export function mix64(state: bigint): bigint {
  const first = bits64((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
  const second = bits64((first ^ (first >> 27n)) * 0x94d049bb133111ebn);
  return second ^ (second >> 31n);
}

/**
 * The number in [0, 1) of 53 bits that belongs to a seed and a row: SplitMix64 from the mixed seed, so that neighbouring seeds share
 * nothing.
 */
export function randomOf(seed: number, row: number): number {
  const state = mix64(bits64(BigInt(seed)) ^ GAMMA);
  return Number(mix64(bits64(state + BigInt(row + 1) * GAMMA)) >> 11n) / 2 ** 53;
}
