/** Chance that a number can repeat: the same seed gives the same choices. */
export interface Random {
  /** From `min` up to and including `max`. */
  between(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Buffer;
  /** As many as `between` gives, each made anew. */
  list<T>(min: number, max: number, make: (index: number) => T): T[];
}

/** Mulberry32, for it fits in five lines and a test needs nothing better. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    between,
    chance: (probability) => next() < probability,
    pick: (list) => list[between(0, list.length - 1)] as never,
    bytes: (length) => Buffer.from(Array.from({ length }, () => between(0, 255))),
    list: (min, max, make) => Array.from({ length: between(min, max) }, (_, index) => make(index)),
  };
}

/** Seed of one case of a run: neighbours have nothing in common. */
export function seedOf(runSeed: number, caseNumber: number): number {
  return Math.imul(runSeed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(caseNumber + 1, 0xc2b2ae35);
}
