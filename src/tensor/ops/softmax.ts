// softmax and logSoftmax. The kernels work on the last axis; another one is moved there and back.

import { apply, defineOp, native, type OpSpec, type Sample } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { mul, sub } from './binary.js';
import { sum } from './reduce.js';
import { axisOf, transpose } from './shape.js';
import { cast, exp, neg } from './unary.js';

const sampleShapes = [[1], [7], [1, 1], [3, 5], [0, 4], [4, 0], [5, 37], [2, 1, 3], [1, 2, 1, 3, 2]];

function samples(inputs: 1 | 2): Sample<void>[] {
  const of = (shape: number[]) => ({
    inputs: Array.from({ length: inputs }, () => ({ shape })),
    attrs: undefined,
  });
  return [...sampleShapes.map(of), { ...of([60, 300]), gradient: false }];
}

const softmaxOp = defineOp<void>({
  name: 'softmax',
  run: (inputs) => native('softmax', inputs),
  vjp: ({ outputs: [y] }, gy) => [softmaxGrad(gy, y)],
  saves: { outputs: [0] },
  samples: () => samples(1),
});

const logSoftmaxOp = defineOp<void>({
  name: 'logSoftmax',
  run: (inputs) => native('logSoftmax', inputs),
  vjp: ({ outputs: [y] }, gy) => [logSoftmaxGrad(gy, y)],
  saves: { outputs: [0] },
  samples: () => samples(1),
});

const dot = (a: Tensor, b: Tensor): Tensor => sum(mul(a, b), -1, true);

const softmaxGradOp = defineOp<void>({
  name: 'softmaxGrad',
  run: (inputs) => native('softmaxGrad', inputs),
  // Symmetric in gy; by y: g (gy - Σ gy y) - gy Σ g y.
  vjp: ({ inputs: [gy, y], needs }, g) => [
    needs[0] ? softmaxGrad(g, y) : undefined,
    needs[1] ? sub(mul(g, sub(gy, dot(gy, y))), mul(gy, dot(g, y))) : undefined,
  ],
  samples: () => samples(2),
});

const logSoftmaxGradOp = defineOp<void>({
  name: 'logSoftmaxGrad',
  run: (inputs) => native('logSoftmaxGrad', inputs),
  vjp: ({ inputs: [gy, y], needs }, g) => [
    needs[0] ? sub(g, dot(exp(y), g)) : undefined,
    needs[1] ? neg(mul(mul(exp(y), g), sum(gy, -1, true))) : undefined,
  ],
  samples: () => samples(2),
});

/** @internal y (gy - Σ gy y) over the last axis, y = softmax(x). */
export function softmaxGrad(gy: Tensor, y: Tensor): Tensor {
  return apply(softmaxGradOp, [gy, y], undefined);
}

/** @internal gy - eʸ Σ gy over the last axis, y = logSoftmax(x). */
export function logSoftmaxGrad(gy: Tensor, y: Tensor): Tensor {
  return apply(logSoftmaxGradOp, [gy, y], undefined);
}

function along(op: OpSpec<void>, x: Tensor, axis: number): Tensor {
  assertTensor(x, `${op.name}: x`);
  const at = axisOf(op.name, axis, x.rank);
  if (at === x.rank - 1 && x.dtype === 'f32') return apply(op, [x], undefined);
  return scope(() => {
    const f = x.dtype === 'i32' || x.dtype === 'u8' ? cast(x, 'f32') : x;
    if (at === x.rank - 1) return apply(op, [f], undefined);
    const swapped = x.shape.map((_, i) => (i === at ? x.rank - 1 : i === x.rank - 1 ? at : i));
    return transpose(apply(op, [transpose(f, swapped)], undefined), swapped);
  });
}

/**
 * exp(x_i) / Σ_j exp(x_j) along the axis, f32, without overflow. Rows with a NaN or +Infinity become NaN.
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return along(softmaxOp, x, axis);
}

/**
 * x_i - log Σ_j exp(x_j) along the axis, f32, without overflow; more accurate than log(softmax(x)).
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return along(logSoftmaxOp, x, axis);
}

const table = { softmax, logSoftmax } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
