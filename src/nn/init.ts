// Initial values of parameters. An initialiser is a function of the shape, so layers take one as an option. The fans
// follow PyTorch: weights are [out, ...kernel, in], so fanIn is the product of all sizes but the first, and fanOut the
// first times the kernel. (A transposed convolution's weight is [in, ...kernel, out]; PyTorch counts it the same way.)

import { HostRandom } from '../data/random.js';
import { full, randn, tensor, uniform } from '../tensor/ops/index.js';
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

/** `count` numbers from N(0, 1), made on the host (Box and Muller 1958) from a place in the generator's sequence. */
function hostNormal(count: number, generator: Generator): Float64Array {
  const [keyHigh, keyLow, counterHigh, counterLow] = generator.take(2 * count);
  const safe = (high: number, low: number) => (high % 2 ** 21) * 2 ** 32 + low;
  const random = new HostRandom(safe(keyHigh, keyLow), 0, safe(counterHigh, counterLow));
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    return radius * Math.cos(2 * Math.PI * random.uniform());
  });
}

/** Makes `count` vectors of `length` >= `count` orthonormal, one after another (modified Gram-Schmidt). */
function orthonormalise(vectors: Float64Array, count: number, length: number): void {
  for (let i = 0; i < count; i++) {
    const v = vectors.subarray(i * length, (i + 1) * length);
    let norm = 0;
    for (const x of v) norm += x * x;
    const scale = 1 / Math.sqrt(norm);
    for (let k = 0; k < length; k++) v[k] *= scale;
    for (let j = i + 1; j < count; j++) {
      const u = vectors.subarray(j * length, (j + 1) * length);
      let dot = 0;
      for (let k = 0; k < length; k++) dot += u[k] * v[k];
      for (let k = 0; k < length; k++) u[k] -= dot * v[k];
    }
  }
}

/**
 * gain · Q, with Q drawn uniformly from the matrices [out, rest] whose rows (or columns, where there are fewer) are
 * orthonormal: the QR decomposition of a Gaussian matrix (Saxe et al. 2014; BigGAN's initialiser). In float64 on the
 * host, at the cost of min(out, rest)² max(out, rest) multiplications.
 */
export function orthogonal(gain = 1): Initializer {
  return (shape, generator = defaultGenerator) => {
    const rows = shape[0] ?? 1;
    const columns = shape.slice(1).reduce((n, d) => n * d, 1);
    const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
    const vectors = hostNormal(count * length, generator);
    orthonormalise(vectors, count, length);
    const at =
      rows <= columns ? (i: number) => i : (i: number) => (i % columns) * length + Math.floor(i / columns);
    return tensor(
      Float32Array.from({ length: count * length }, (_, i) => gain * vectors[at(i)]),
      shape,
    );
  };
}
