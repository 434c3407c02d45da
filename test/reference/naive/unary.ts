// References of the elementwise functions of one tensor, from their definitions in float64.

import type { DType } from '../../../src/tensor/tensor.js';
import { map, type Nd, type References } from '../nd.js';

type Reference = References[string];

const elementwise =
  (f: (x: number) => number): Reference =>
  ([x]: Nd[]) =>
    map([x], f);

/** The nearest whole number, halves to even. */
function halfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** The nearest number of 8 significant bits, halves to even. */
function toBf16(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  return halfToEven(x / unit) * unit;
}

const bounds = { i32: [-(2 ** 31), 2 ** 31 - 1], u8: [0, 255] } as const;

function castTo(x: number, dtype: DType): number {
  if (dtype === 'f32') return x;
  if (dtype === 'bf16') return toBf16(x);
  if (Number.isNaN(x)) return 0;
  const [low, high] = bounds[dtype];
  return Math.min(Math.max(Math.trunc(x), low), high);
}

export const references: References = {
  neg: elementwise((x) => -x),
  abs: elementwise(Math.abs),
  sign: elementwise(Math.sign),
  floor: elementwise(Math.floor),
  ceil: elementwise(Math.ceil),
  round: elementwise(halfToEven),
  exp: elementwise(Math.exp),
  expm1: elementwise(Math.expm1),
  log: elementwise(Math.log),
  log1p: elementwise(Math.log1p),
  sqrt: elementwise(Math.sqrt),
  rsqrt: elementwise((x) => 1 / Math.sqrt(x)),
  square: elementwise((x) => x * x),
  reciprocal: elementwise((x) => 1 / x),
  sin: elementwise(Math.sin),
  cos: elementwise(Math.cos),
  tanh: elementwise(Math.tanh),
  sigmoid: elementwise((x) => 1 / (1 + Math.exp(-x))),
  softplus: elementwise((x) => Math.log1p(Math.exp(x))),
  relu: elementwise((x) => Math.max(x, 0)),
  leakyRelu: ([x]: Nd[], { slope }: { slope: number }) => map([x], (v) => (v > 0 ? v : slope * v)),
  cast: ([x]: Nd[], { dtype }: { dtype: DType }) => map([x], (v) => castTo(v, dtype)),
};
