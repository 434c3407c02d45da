// References of elementwise arithmetic, comparisons, selection and the derivatives of activations, from their
// definitions in float64. An op on a number and a tensor (addScalar, scalarSub, …) is the same function of two.

import { map, type Nd, type References } from '../nd.js';

type Reference = References[string];
type Function2 = (a: number, b: number) => number;

const two =
  (f: Function2): Reference =>
  (inputs: Nd[]) =>
    map(inputs, f);
const scalarRight =
  (f: Function2): Reference =>
  ([x]: Nd[], { scalar }: { scalar: number }) =>
    map([x], (v) => f(v, scalar));
const scalarLeft =
  (f: Function2): Reference =>
  ([x]: Nd[], { scalar }: { scalar: number }) =>
    map([x], (v) => f(scalar, v));

const compare =
  (f: (a: number, b: number) => boolean): Reference =>
  (inputs: Nd[], { mode, scalar }: { mode: number; scalar: number }) => {
    if (mode === 0) return map(inputs, (a, b) => Number(f(a, b)));
    return map(inputs, (v) => Number(mode === 1 ? f(v, scalar) : f(scalar, v)));
  };

const add: Function2 = (a, b) => a + b;
const sub: Function2 = (a, b) => a - b;
const mul: Function2 = (a, b) => a * b;
const div: Function2 = (a, b) => a / b;
const pow: Function2 = (a, b) => a ** b;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const references: References = {
  add: two(add),
  sub: two(sub),
  mul: two(mul),
  div: two(div),
  pow: two(pow),
  maximum: two(Math.max),
  minimum: two(Math.min),
  addScalar: scalarRight(add),
  subScalar: scalarRight(sub),
  mulScalar: scalarRight(mul),
  divScalar: scalarRight(div),
  powScalar: scalarRight(pow),
  maximumScalar: scalarRight(Math.max),
  minimumScalar: scalarRight(Math.min),
  scalarSub: scalarLeft(sub),
  scalarDiv: scalarLeft(div),
  scalarPow: scalarLeft(pow),
  clamp: ([x]: Nd[], { low, high }: { low: number; high: number }) =>
    map([x], (v) => Math.min(Math.max(v, low), high)),
  equal: compare((a, b) => a === b),
  notEqual: compare((a, b) => a !== b),
  less: compare((a, b) => a < b),
  lessEqual: compare((a, b) => a <= b),
  greater: compare((a, b) => a > b),
  greaterEqual: compare((a, b) => a >= b),
  where: (inputs: Nd[]) => map(inputs, (condition, a, b) => (condition !== 0 ? a : b)),
  tanhGrad: two((gy, y) => gy * (1 - y * y)),
  sigmoidGrad: two((gy, y) => gy * y * (1 - y)),
  softplusGrad: two((gy, x) => gy * sigmoid(x)),
  reluGrad: two((gy, y) => (y <= 0 ? 0 : gy)),
  leakyReluGrad: (inputs: Nd[], { slope }: { slope: number }) =>
    map(inputs, (gy, y) => (y > 0 ? gy : slope * gy)),
};
