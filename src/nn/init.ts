// Initial values of parameters. An initialiser is a function of the shape, so layers take one as an option. The fans
// follow PyTorch: weights are [out, ...kernel, in], so fanIn is the product of all sizes but the first, and fanOut the
// first times the kernel. (A transposed convolution's weight is [in, ...kernel, out]; PyTorch counts it the same way.)

import { full, randn, uniform } from '../tensor/ops/index.js';
import { defaultGenerator, type Generator } from '../tensor/random-state.js';
import type { Shape, Tensor } from '../tensor/tensor.js';

/** Makes the first value of a parameter of the given shape, drawing from `generator` if it is random. */
export type Initializer = (shape: Shape, generator?: Generator) => Tensor;

/** fanIn and fanOut of a weight [out, ...kernel, in]. */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const kernel = shape.slice(1, -1).reduce((n, d) => n * d, 1);
  return { fanIn: kernel * (shape.at(-1) ?? 1), fanOut: kernel * (shape[0] ?? 1) };
}

/** N(mean, std²). */
export function normal(mean = 0, std = 1): Initializer {
  return (shape, generator = defaultGenerator) => randn(shape, { mean, std, generator });
}

/** U(-bound, bound). */
export function symmetricUniform(bound: number): Initializer {
  return (shape, generator = defaultGenerator) => uniform(shape, { low: -bound, high: bound, generator });
}

/** Every element the same. */
export function constant(value: number): Initializer {
  return (shape) => full(shape, value);
}

export const zeros: Initializer = constant(0);
export const ones: Initializer = constant(1);

/**
 * U(-b, b) with b = √(6 / ((1 + a²) fanIn)), a the negative slope of the following leaky ReLU (He et al. 2015, eq. 14).
 * The default a = √5 gives b = 1/√fanIn, PyTorch's default for linear and convolutional layers.
 */
export function kaimingUniform(a = Math.sqrt(5)): Initializer {
  return (shape, generator) =>
    symmetricUniform(Math.sqrt(6 / ((1 + a * a) * Math.max(1, fans(shape).fanIn))))(shape, generator);
}

/** N(0, 2 / ((1 + a²) fanIn)), a the negative slope of the following leaky ReLU (He et al. 2015, eq. 14). */
export function kaimingNormal(a = 0): Initializer {
  return (shape, generator) =>
    normal(0, Math.sqrt(2 / ((1 + a * a) * Math.max(1, fans(shape).fanIn))))(shape, generator);
}

/** U(-b, b) with b = gain √(6 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 16). */
export function xavierUniform(gain = 1): Initializer {
  return (shape, generator) => {
    const { fanIn, fanOut } = fans(shape);
    return symmetricUniform(gain * Math.sqrt(6 / Math.max(1, fanIn + fanOut)))(shape, generator);
  };
}

/** N(0, gain² 2 / (fanIn + fanOut)) (Glorot and Bengio 2010, eq. 12). */
export function xavierNormal(gain = 1): Initializer {
  return (shape, generator) => {
    const { fanIn, fanOut } = fans(shape);
    return normal(0, gain * Math.sqrt(2 / Math.max(1, fanIn + fanOut)))(shape, generator);
  };
}
