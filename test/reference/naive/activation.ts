// References of the activations that are ops of their own. erf is integrated from its definition (Gauss-Legendre), so
// that it shares nothing with the kernel's polynomial.

import { build, forEachIndex, make, map, type Nd, offset, type References } from '../nd.js';

// Nodes and weights of five points on [-1, 1].
const nodes = [0, 0.5384693101056831, -0.5384693101056831, 0.906179845938664, -0.906179845938664];
const weights = [
  0.5688888888888889, 0.47862867049936647, 0.47862867049936647, 0.23692688505618908, 0.23692688505618908,
];

/** 2/√π ∫₀ˣ exp(-t²) dt in pieces of at most 0.25. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const end = Math.min(Math.abs(x), 6.5);
  const pieces = Math.ceil(end * 4);
  let total = 0;
  for (let i = 0; i < pieces; i++) {
    const half = end / pieces / 2;
    const middle = (2 * i + 1) * half;
    for (let k = 0; k < 5; k++) total += weights[k] * half * Math.exp(-((middle + half * nodes[k]) ** 2));
  }
  return (Math.sign(x) * total * 2) / Math.sqrt(Math.PI);
}

const cdf = (x: number) => 0.5 * (1 + erf(x / Math.SQRT2));
const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const root = Math.sqrt(2 / Math.PI);
const argument = (x: number) => root * (x + 0.044715 * x ** 3);

interface Gelu {
  tanh: boolean;
}

const gelu = (x: number, { tanh }: Gelu) => (tanh ? 0.5 * x * (1 + Math.tanh(argument(x))) : x * cdf(x));

function geluSlope(x: number, { tanh }: Gelu): number {
  if (!tanh) return cdf(x) + x * density(x);
  const t = Math.tanh(argument(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
}

interface Elu {
  alpha: number;
  scale: number;
  inner: number;
}

const elu = (x: number, { alpha, scale, inner }: Elu) =>
  scale * (x > 0 ? x : alpha * (Math.exp(inner * x) - 1));
const eluSlope = (x: number, { alpha, scale, inner }: Elu) =>
  scale * (x > 0 ? 1 : alpha * inner * Math.exp(inner * x));

function halves(index: readonly number[], shape: readonly number[], axis: number): [number, number] {
  const second = [...index];
  second[axis] += shape[axis] / 2;
  return [offset(shape, index), offset(shape, second)];
}

export const references: References = {
  erf: ([x]: Nd[]) => map([x], erf),
  gelu: ([x]: Nd[], attrs: Gelu) => map([x], (v) => gelu(v, attrs)),
  geluGrad: (inputs: Nd[], attrs: Gelu) => map(inputs, (g, v) => g * geluSlope(v, attrs)),
  silu: ([x]: Nd[]) => map([x], (v) => v * sigmoid(v)),
  siluGrad: (inputs: Nd[]) => map(inputs, (g, v) => g * (sigmoid(v) + v * sigmoid(v) * (1 - sigmoid(v)))),
  elu: ([x]: Nd[], attrs: Elu) => map([x], (v) => elu(v, attrs)),
  eluGrad: (inputs: Nd[], attrs: Elu) => map(inputs, (g, v) => g * eluSlope(v, attrs)),
  prelu: (inputs: Nd[]) => map(inputs, (v, a) => (v > 0 ? v : a * v)),
  preluGrad: (inputs: Nd[]) => map(inputs, (g, v, a) => (v > 0 ? g : a * g)),

  glu: ([x]: Nd[], { axis }: { axis: number }) =>
    build(
      x.shape.map((d, i) => (i === axis ? d / 2 : d)),
      (index) => {
        const [u, v] = halves(index, x.shape, axis);
        return x.data[u] * sigmoid(x.data[v]);
      },
    ),
  gluGrad: ([gy, x]: Nd[], { axis }: { axis: number }) => {
    const gx = make(x.shape);
    forEachIndex(gy.shape, (index, flat) => {
      const [u, v] = halves(index, x.shape, axis);
      const s = sigmoid(x.data[v]);
      gx.data[u] = gy.data[flat] * s;
      gx.data[v] = gy.data[flat] * x.data[u] * s * (1 - s);
    });
    return gx;
  },
};
