// Reference of the random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011) in whole-number arithmetic, and Box-Muller in float64. Not in the op table; test/tensor/ops/random.test.ts
// compares with it.

import { build, type Nd, type References } from '../nd.js';

/** [key high, key low, counter high, counter low], as a Generator hands out. */
export type State = readonly [number, number, number, number];

interface Attrs {
  state: State;
  shape: number[];
  a: number;
  b: number;
}

const mask = 0xffffffffn;

/** The four 32-bit words of one (key, counter) pair. */
export function philox(key: bigint, counter: bigint): number[] {
  let c = [counter & mask, (counter >> 32n) & mask, 0n, 0n];
  let [k0, k1] = [key & mask, key >> 32n];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c[0];
    const p1 = 0xcd9e8d57n * c[2];
    c = [(p1 >> 32n) ^ c[1] ^ k0, p1 & mask, (p0 >> 32n) ^ c[3] ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return c.map(Number);
}

function words([keyHigh, keyLow, counterHigh, counterLow]: State, element: number): number[] {
  const key = (BigInt(keyHigh) << 32n) | BigInt(keyLow);
  const counter = (BigInt(counterHigh) << 32n) | BigInt(counterLow);
  return philox(key, BigInt.asUintN(64, counter + BigInt(Math.floor(element / 4))));
}

/** 24 bits as a number in [0, 1). */
const unit = (word: number): number => (word >>> 8) / 2 ** 24;

export const references: References = {
  uniform: (_: Nd[], { state, shape, a, b }: Attrs) =>
    build(shape, (_index, i) => a + (b - a) * unit(words(state, i)[i % 4])),
  normal: (_: Nd[], { state, shape, a, b }: Attrs) =>
    build(shape, (_index, i) => {
      const w = words(state, i);
      const pair = i % 4 < 2 ? 0 : 2;
      const radius = Math.sqrt(-2 * Math.log(unit(w[pair]) + 2 ** -24));
      const angle = 2 * Math.PI * unit(w[pair + 1]);
      return a + b * radius * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
    }),
};
