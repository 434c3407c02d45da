// Numbers for the generated tests: seeded inputs for a sample, comparison with a tolerance, and finite differences of a
// float64 reference. Knows no op. The differences are central with one Richardson step, so that their error is O(h^4).

import type { SampleInput } from '../../src/tensor/define.js';
import type { DType, TypedArray } from '../../src/tensor/tensor.js';
import { make, type Nd, size } from '../reference/nd.js';

/** How far drawn values stay from the numbers in `avoid`: beyond every step taken below. */
const gap = 0.05;

/** Uniform numbers in [0, 1) (mulberry32), from a text so that each test has its own. */
export function randomFrom(text: string): () => number {
  let state = 2166136261;
  for (const c of text) state = Math.imul(state ^ c.charCodeAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function shuffled(n: number, random: () => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Nearest bf16, ties to even, as its 16 bits. */
export function bf16Bits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

export function bf16Value(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0];
}

/** What an element of this dtype becomes when `value` is stored in it. */
export function rounded(value: number, dtype: DType): number {
  if (dtype === 'f32') return Math.fround(value);
  return dtype === 'bf16' ? bf16Value(bf16Bits(value)) : Math.round(value);
}

export function toTyped(values: ArrayLike<number>, dtype: DType): TypedArray {
  if (dtype === 'f32') return Float32Array.from(values);
  if (dtype === 'i32') return Int32Array.from(values);
  if (dtype === 'u8') return Uint8Array.from(values);
  return Uint16Array.from(values, bf16Bits);
}

export function fromTyped(values: TypedArray, dtype: DType): ArrayLike<number> {
  return dtype === 'bf16' ? Array.from(values, bf16Value) : values;
}

/**
 * Values for input `k` of a sample. Floats are a shuffled, jittered grid over [lo, hi]: random, but no two of them so
 * close that a step of a finite difference changes which one is the maximum.
 */
export function draw(input: SampleInput, k: number, random: () => number): Nd {
  const { shape, dtype = 'f32', values, avoid = [] } = input;
  const n = size(shape);
  if (values)
    return make(
      shape,
      Array.from(values, (v) => rounded(v, dtype)),
    );
  const isFloat = dtype === 'f32' || dtype === 'bf16';
  const { lo = isFloat ? -2 : dtype === 'u8' ? 0 : -5, hi = isFloat ? 2 : 5 } = input;
  if (!isFloat)
    return make(
      shape,
      Array.from({ length: n }, () => Math.floor(lo + random() * (hi - lo + 1))),
    );
  const step = (hi - lo) / Math.max(n, 1);
  const phase = 0.2 + 0.27 * (k % 3); // so that the grids of two inputs do not coincide
  const x = shuffled(n, random).map((i) => {
    let v = lo + step * (i + phase + 0.1 * (random() - 0.5));
    for (const a of avoid) {
      const away = gap + Math.abs(v - a);
      if (Math.abs(v - a) < gap) v = (v >= a && a + away <= hi) || a - away < lo ? a + away : a - away;
    }
    return rounded(v, dtype);
  });
  return make(shape, x);
}

export function largest(values: ArrayLike<number>): number {
  let top = 0;
  for (let i = 0; i < values.length; i++) {
    const v = Math.abs(values[i]);
    if (Number.isFinite(v) && v > top) top = v;
  }
  return top;
}

/**
 * The first disagreement in words, or undefined. Elements may differ by `relative * (|want| + scale)`: an f32 result
 * that is small because large terms cancelled carries the rounding of those terms.
 */
export function mismatch(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  relative: number,
  scale: number,
): string | undefined {
  if (got.length !== want.length) return `${got.length} elements instead of ${want.length}`;
  let worst = 0;
  let text: string | undefined;
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i]) || got[i] === want[i]) continue;
    if (Number.isNaN(got[i]) && Number.isNaN(want[i])) continue;
    const allowed = relative * (Math.abs(want[i]) + scale);
    const excess = Math.abs(got[i] - want[i]) / allowed;
    if (excess <= 1 || excess <= worst) continue;
    worst = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess;
    text = `element ${i}: got ${got[i]}, want ${want[i]} (tolerance ${allowed.toPrecision(2)})`;
  }
  return text;
}

/** A scalar function of several arrays. */
export type Loss = (inputs: Nd[]) => number;

function shifted(inputs: Nd[], directions: readonly (readonly [number, (flat: number) => number])[]): Nd[] {
  const result = [...inputs];
  for (const [k, direction] of directions) {
    const x = result[k];
    result[k] = { shape: x.shape, data: x.data.map((v, i) => v + direction(i)) };
  }
  return result;
}

/**
 * (4 D(h/2) - D(h)) / 3 removes the h^2 term of the error of a central difference D. NaN where the two disagree so much
 * that the function has a kink between them: there is nothing to compare with.
 */
function richardson(difference: (h: number) => number, h: number): number {
  const [coarse, fine] = [difference(h), difference(h / 2)];
  if (Math.abs(fine - coarse) > 1e-4 * (1 + Math.abs(fine))) return Number.NaN;
  return (4 * fine - coarse) / 3;
}

/** d f / d inputs[k].data[i]. */
export function partial(f: Loss, inputs: Nd[], k: number, i: number): number {
  const at = (h: number) => f(shifted(inputs, [[k, (j) => (j === i ? h : 0)]]));
  return richardson((h) => (at(h) - at(-h)) / (2 * h), 2e-4);
}

/** d/d inputs[k].data[i] of the derivative of f along `v`, one array per input (undefined: zero). */
export function secondPartial(f: Loss, inputs: Nd[], v: (Nd | undefined)[], k: number, i: number): number {
  const at = (h: number, t: number) =>
    f(
      shifted(inputs, [
        ...v.flatMap((d, m) => (d ? [[m, (j: number) => t * d.data[j]] as const] : [])),
        [k, (j: number) => (j === i ? h : 0)],
      ]),
    );
  return richardson((h) => (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h * h), 5e-4);
}
