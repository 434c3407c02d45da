// References of the draws of sampling.ts: the same Philox words by the textbook algorithms, in float64. Not in the op
// table; test/tensor/ops/sampling.test.ts compares with them.

import { erf } from './activation.js';
import { philox, type State } from './random.js';

/** Word w of a draw. */
export function word([keyHigh, keyLow, counterHigh, counterLow]: State, w: number): number {
  const key = (BigInt(keyHigh) << 32n) | BigInt(keyLow);
  const counter = (BigInt(counterHigh) << 32n) | BigInt(counterLow);
  return philox(key, BigInt.asUintN(64, counter + BigInt(Math.floor(w / 4))))[w % 4] >>> 0;
}

/** Words 2 i and 2 i + 1 as a number in (0, 1). */
export function uniform53(state: State, i: number): number {
  const bits = ((BigInt(word(state, 2 * i)) << 32n) | BigInt(word(state, 2 * i + 1))) >> 11n;
  return (Number(bits) + 0.5) * 2 ** -53;
}

/** floor(w n / 2^32) for a 32-bit word. */
const below = (w: number, n: number): number => Number((BigInt(w) * BigInt(n)) >> 32n);

export function randint(state: State, count: number, low: number, high: number): number[] {
  return Array.from({ length: count }, (_, i) => low + below(word(state, i), high - low));
}

/** The shuffle of Fisher and Yates. */
export function randperm(state: State, n: number): number[] {
  const y = Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n; i++) {
    const j = i + below(word(state, i), n - i);
    [y[i], y[j]] = [y[j], y[i]];
  }
  return y;
}

const cdf = (z: number): number => 0.5 * (1 + erf(z / Math.SQRT2));

/** z between low and high with (cdf(z) - cdf(low)) / (cdf(high) - cdf(low)) = u, by bisection. */
export function truncated(state: State, i: number, low: number, high: number): number {
  const p = cdf(low) + ((cdf(high) - cdf(low)) * (word(state, i) + 0.5)) / 2 ** 32;
  let [from, to] = [low, high];
  for (let step = 0; step < 60; step++) {
    const middle = (from + to) / 2;
    if (cdf(middle) < p) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}

/** n draws from row r of a table of weights. */
export function multinomial(
  state: State,
  weights: number[],
  r: number,
  n: number,
  replacement: boolean,
): number[] {
  const { length } = weights;
  if (!replacement) {
    const keys = weights.map((w, k) => Math.log(w) - Math.log(-Math.log(uniform53(state, r * length + k))));
    const order = keys.map((_, k) => k).sort((a, b) => keys[b] - keys[a]);
    return order.slice(0, n);
  }
  const total = weights.reduce((a, b) => a + b, 0);
  return Array.from({ length: n }, (_, j) => {
    let left = uniform53(state, r * n + j) * total;
    return weights.findIndex((w) => {
      left -= w;
      return left < 0;
    });
  });
}
