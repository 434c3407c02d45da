// Random numbers for the order of images and their augmentation, on the host. A generator is derived from a
// seed and a counter, so that any batch of a run can be made again without replaying the ones before it. Not
// the device's generator (Philox). xoshiro128** by Blackman and Vigna, seeded through splitmix32:
// https://prng.di.unimi.it/

/** One step of splitmix32: a bijective mix of 32 bits. */
function mix(value: number): number {
  let z = (value + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

/** The low and high 32 bits of a non-negative integer below 2^53. */
function words(value: number): [number, number] {
  return [value | 0, Math.floor(value / 2 ** 32) | 0];
}

export class HostRandom {
  readonly #state = new Int32Array(4);

  /**
   * @param seed a non-negative safe integer
   * @param stream what the numbers are for; streams of one seed are independent
   * @param counter which sequence of the stream: the epoch, or the batch
   */
  constructor(seed: number, stream = 0, counter = 0) {
    let hash = 0;
    for (const word of [...words(seed), stream, ...words(counter)]) hash = mix(hash ^ word);
    for (let i = 0; i < 4; i++) this.#state[i] = hash = mix(hash + i);
    // All zeros is the one state that xoshiro never leaves.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const s = this.#state;
    const scrambled = Math.imul(s[1], 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result >>> 0;
  }

  /** A number in [0, 1), of 32 bits. */
  uniform(): number {
    return this.bits() / 2 ** 32;
  }

  /** An integer in [0, n), n up to 2^32, each equally likely. */
  below(n: number): number {
    const unbiased = 2 ** 32 - (2 ** 32 % n);
    let value = this.bits();
    while (value >= unbiased) value = this.bits();
    return value % n;
  }

  /** The numbers 0 to n - 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const held = order[i];
      order[i] = order[j];
      order[j] = held;
    }
    return order;
  }
}
