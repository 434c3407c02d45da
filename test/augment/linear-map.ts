// With its random numbers fixed, an augmentation is affine in the pixels, A x + c. So its gradients of both orders follow
// from its values and from each other, whatever A is.

import { expect } from 'vitest';
import { grad, valueAndGrad } from '../../src/tensor/autograd.js';
import { mul, randn, square, sub, sum, zerosLike } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { largest, mismatch } from '../tensor/numeric.js';

/** Checks ⟨A x, u⟩ = ⟨x, Aᵀ u⟩, and that the second derivative of ½ ‖A x + c‖² along v is Aᵀ A v. */
export async function expectAffine(augment: (x: Tensor) => Tensor, shape: number[]): Promise<void> {
  const [x, v] = [randn(shape), randn(shape)];
  const linear = (at: Tensor) => sub(augment(at), augment(zerosLike(at)));
  const u = randn(augment(x).shape);
  const transposed = (by: Tensor) => valueAndGrad((at) => sum(mul(augment(at), by)), [x]).grads[0];

  const forward = await sum(mul(linear(x), u)).item();
  const backward = await sum(mul(x, transposed(u))).item();
  const scale = await sum(square(u)).item();
  expect(Math.abs(forward - backward)).toBeLessThan(1e-5 * scale);

  const slope = grad((at: Tensor) => mul(sum(square(augment(at))), 0.5));
  const second = valueAndGrad((at) => sum(mul(slope(at), v)), [x]).grads[0];
  const wanted = await transposed(linear(v)).data();
  expect(
    mismatch(await second.data(), Array.from(wanted), 1e-5, largest(Array.from(wanted))),
  ).toBeUndefined();
}
