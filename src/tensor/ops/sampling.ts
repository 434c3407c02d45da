// Draws of whole numbers, orders and classes, and the relaxed draw that has a gradient. Like random.ts they come from the
// (key, counter) of a Generator. A sample has no gradient by its probabilities: asked for one, these functions throw.

import { GanvasError } from '../../errors.js';
import { native } from '../define.js';
import { recordingFor, withRecording } from '../graph.js';
import { defaultGenerator } from '../random-state.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Shape, type Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { assertShape, oneHot } from './create.js';
import { gumbel, type RandomOptions } from './random.js';
import { argmax } from './reduce.js';
import { axisOf, reshape, transpose } from './shape.js';
import { softmax } from './softmax.js';
import { cast } from './unary.js';

const count = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

/**
 * Whole numbers drawn uniformly from [low, high), i32. Throws ERR_ARGUMENT unless both are whole numbers in the range of
 * i32 with low < high, ERR_SHAPE for an impossible shape.
 */
export function randint(
  shape: Shape,
  low: number,
  high: number,
  { generator = defaultGenerator }: RandomOptions = {},
): Tensor {
  assertShape('randint', shape);
  return native('randint', [], [generator.draw(count(shape)), low, high, shape.length, ...shape])[0];
}

/** The numbers 0 to n - 1 in random order, i32 [n]. Throws ERR_ARGUMENT unless n is a whole number in [0, 2³¹). */
export function randperm(n: number, { generator = defaultGenerator }: RandomOptions = {}): Tensor {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `randperm: n must be a whole number of at least 0, got ${String(n)}`,
    );
  }
  return native('randperm', [], [generator.draw(n), n])[0];
}

export interface TruncatedNormalOptions extends RandomOptions {
  /** Mean of the normal distribution before it is cut. Default 0. */
  mean?: number;
  /** Its standard deviation. Default 1. */
  std?: number;
  /** Least value, in standard deviations from the mean. Default -2. */
  low?: number;
  /** Greatest value, in standard deviations from the mean. Default 2. */
  high?: number;
}

/**
 * Numbers from the normal distribution cut to [mean + low std, mean + high std], by inversion: the latents of the
 * truncation trick (Brock et al. 2019, 3.1) and of some initialisers.
 * Throws ERR_ARGUMENT unless mean and std >= 0 are finite and low < high, ERR_SHAPE for an impossible shape.
 */
export function truncatedNormal(
  shape: Shape,
  { mean = 0, std = 1, low = -2, high = 2, generator = defaultGenerator }: TruncatedNormalOptions = {},
): Tensor {
  assertShape('truncatedNormal', shape);
  const words = generator.draw(count(shape));
  return native('truncatedNormal', [], [words, mean, std, low, high, shape.length, ...shape])[0];
}

function draw(
  op: string,
  weights: Tensor,
  n: number,
  replacement: boolean,
  logits: boolean,
  generator = defaultGenerator,
): Tensor {
  assertTensor(weights, `${op}: the weights`);
  if (recordingFor([weights])) {
    throw new GanvasError(
      'ERR_NOT_DIFFERENTIABLE',
      `${op} has no gradient; use noGrad() for a constant, or gumbelSoftmax`,
    );
  }
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new GanvasError('ERR_ARGUMENT', `${op}: expected a whole number of draws, got ${String(n)}`);
  }
  const classes = weights.shape[weights.rank - 1] ?? 1;
  const rows = count(weights.shape.slice(0, -1));
  const words = generator.draw(2 * rows * (replacement ? n : classes));
  return native('multinomial', [weights], [words, n, Number(replacement), Number(logits)])[0];
}

export interface MultinomialOptions extends RandomOptions {
  /** Whether an element can be drawn again. Default false, as in PyTorch. */
  replacement?: boolean;
  /** What the rows hold: 'weights' in proportion to the probabilities (default), or their 'logits'. */
  from?: 'weights' | 'logits';
}

/**
 * Positions drawn from each row with probabilities in proportion to its weights: weights [..., K] → i32 [..., n].
 *
 * Without replacement the draws of a row differ, in the order in which they would have been drawn one after another.
 * Throws ERR_ARGUMENT for more draws than elements, ERR_NOT_DIFFERENTIABLE where a gradient by the weights is being
 * taken. A weight that is negative or not finite, or a row with too few weights above zero, is ERR_ARGUMENT, reported
 * by the next data() or sync().
 */
export function multinomial(
  weights: Tensor,
  n: number,
  { replacement = false, from = 'weights', generator }: MultinomialOptions = {},
): Tensor {
  if (from !== 'weights' && from !== 'logits') {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `multinomial: from must be 'weights' or 'logits', got ${String(from)}`,
    );
  }
  return draw('multinomial', weights, n, replacement, from === 'logits', generator);
}

/**
 * One class for each row, drawn with the probabilities softmax(logits): logits [..., K] → i32 [...].
 * Throws ERR_NOT_DIFFERENTIABLE where a gradient by the logits is being taken; a NaN or +Infinity is ERR_ARGUMENT,
 * reported by the next data() or sync().
 */
export function categorical(logits: Tensor, { generator }: RandomOptions = {}): Tensor {
  return scope(() =>
    reshape(draw('categorical', logits, 1, true, true, generator), logits.shape.slice(0, -1)),
  );
}

export interface GumbelSoftmaxOptions extends RandomOptions {
  /** Temperature τ > 0: towards 0 the draws become one-hot and the gradients large. Default 1. */
  temperature?: number;
  /** One-hot results with the gradient of the soft ones (straight-through). Default false. */
  hard?: boolean;
  /** Default: the last. */
  axis?: number;
}

/**
 * A differentiable draw of a class: softmax((logits + g) / τ) along the axis, g Gumbel noise (Jang et al. 2017; Maddison
 * et al. 2017). The shape of the logits. Throws ERR_ARGUMENT unless τ > 0 and the axis exists.
 */
export function gumbelSoftmax(
  logits: Tensor,
  { temperature = 1, hard = false, axis = -1, generator }: GumbelSoftmaxOptions = {},
): Tensor {
  assertTensor(logits, 'gumbelSoftmax: logits');
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `gumbelSoftmax: the temperature must be finite and above 0, got ${String(temperature)}`,
    );
  }
  const at = axisOf('gumbelSoftmax', axis, logits.rank);
  return scope(() => {
    const noise = cast(gumbel(logits.shape, { generator }), logits.dtype === 'bf16' ? 'bf16' : 'f32');
    const soft = softmax(mul(add(logits, noise), 1 / temperature), at);
    if (!hard) return soft;
    // Adding the constant hard - soft changes the value and not the gradient.
    return add(
      soft,
      withRecording(false, () => sub(oneHotAlong(argmax(soft, at), at, soft), soft)),
    );
  });
}

/** Ones at the indices along an axis, zeros elsewhere, of the shape and dtype of `like`. */
function oneHotAlong(indices: Tensor, axis: number, like: Tensor): Tensor {
  const { rank, shape } = like;
  const last = oneHot(indices, shape[axis]);
  const perm = shape.map((_, i) => (i < axis ? i : i === axis ? rank - 1 : i - 1));
  return cast(transpose(last, perm), like.dtype);
}

const table = { multinomial, categorical, gumbelSoftmax } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
