// Bias and activation in one kernel, and the list of activations that fused ops share (native/ops/activation.h).

import { GanvasError } from '../../errors.js';
import { apply, defineFused, native, type Sample } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { add } from './binary.js';
import { leakyRelu, relu, sigmoid, tanh } from './unary.js';

/** The activations that a fused op can apply to its result, in the order of the native enumeration. */
export const activations = ['none', 'relu', 'leakyRelu', 'tanh', 'sigmoid'] as const;
export type Activation = (typeof activations)[number];

export interface ActivationAttrs {
  activation: Activation;
  slope: number;
}

/** @internal The options with their defaults, checked: slope 0.2 is DCGAN's. */
export function activationAttrs(
  op: string,
  { activation = 'none', slope = 0.2 }: { activation?: Activation; slope?: number },
): ActivationAttrs {
  if (!activations.includes(activation)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: activation must be one of ${activations.join(', ')}, got ${String(activation)}`,
    );
  }
  if (!(slope >= 0 && Number.isFinite(slope))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: slope must be a finite number of at least 0, got ${String(slope)}`,
    );
  }
  return { activation, slope };
}

/** @internal As the kernels take them. */
export function encodeActivation({ activation, slope }: ActivationAttrs): [number, number] {
  return [activations.indexOf(activation), slope];
}

/** act(x) in single ops, for the fallbacks of fused ones. */
export function activate(x: Tensor, { activation, slope }: ActivationAttrs): Tensor {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return relu(x);
    case 'leakyRelu':
      return leakyRelu(x, slope);
    case 'tanh':
      return tanh(x);
    case 'sigmoid':
      return sigmoid(x);
  }
}

const biasActOp = defineFused<ActivationAttrs>({
  name: 'biasAct',
  run: (inputs, attrs) => native('biasAct', inputs, encodeActivation(attrs)),
  vjp: ({ outputs: [y], attrs }, gy) =>
    // Without an activation both cotangents are gy; the engine sums the bias' down.
    attrs.activation === 'none' ? [gy, gy] : native('biasActGrad', [gy, y], encodeActivation(attrs)),
  saves: { outputs: [0] },
  fallback: ([x, b], attrs) => activate(add(x, b), attrs),
  samples: () => {
    const of = (shape: number[], activation: Activation, slope = 0.2): Sample<ActivationAttrs> => ({
      inputs: [{ shape }, { shape: shape.slice(-1) }],
      attrs: { activation, slope },
    });
    return [
      ...activations.map((activation) => of([2, 3, 3], activation)),
      ...activations.map((activation) => of([5], activation)),
      of([7, 1], 'leakyRelu', 0.01),
      of([0, 3], 'tanh'),
      of([3, 0], 'relu'),
      of([1, 2, 2, 1, 17], 'sigmoid'),
      of([40, 3], 'leakyRelu'),
      of([67, 100], 'leakyRelu', 0),
    ];
  },
});

/**
 * y = act(x + b), the bias along the last dimension: the end of every convolution and linear layer, in one pass.
 *
 * x [..., C], b [C] → [..., C], f32. `activation` (default none): relu, leakyRelu (`slope`, default 0.2), tanh or
 * sigmoid. Throws ERR_SHAPE if b does not fit, ERR_ARGUMENT for another activation or a negative slope.
 */
export function biasAct(
  x: Tensor,
  b: Tensor,
  options: { activation?: Activation; slope?: number } = {},
): Tensor {
  assertTensor(x, 'biasAct: x');
  assertTensor(b, 'biasAct: b');
  return apply(biasActOp, [x, b], activationAttrs('biasAct', options));
}

const table = { biasAct } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
