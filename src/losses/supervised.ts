// Losses against known targets: classification and regression. Pure functions of the values of all elements, reduced to
// their mean unless asked otherwise; names, formulas and reductions are PyTorch's.

import { GanvasError } from '../errors.js';
import {
  abs,
  add,
  clamp,
  div,
  greater,
  log,
  logSoftmax,
  maximum,
  mean,
  mul,
  neg,
  reshape,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  takeAlongAxis,
  where,
} from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertSameShape, type ReductionOptions, reduceLoss } from './reduction.js';

const constantOrFloat = (t: Tensor | number): Tensor | number => (typeof t === 'number' ? t : inFloat32(t));

/**
 * Binary cross-entropy from logits: softplus(x) - x t, which is -t log σ(x) - (1-t) log(1-σ(x)).
 * @param targets probabilities in [0, 1]: a tensor of the shape of `logits`, or one number for all
 * @throws GanvasError ERR_SHAPE unless the shapes agree
 */
export function bceWithLogits(
  logits: Tensor,
  targets: Tensor | number,
  { reduction }: ReductionOptions = {},
): Tensor {
  if (typeof targets !== 'number') assertSameShape('bceWithLogits', logits, targets);
  const x = inFloat32(logits);
  return reduceLoss('bceWithLogits', sub(softplus(x), mul(x, constantOrFloat(targets))), reduction);
}

/** log p, and -100 with no gradient where p is 0. */
function boundedLog(p: Tensor): Tensor {
  const possible = greater(p, 0);
  return where(possible, log(where(possible, p, 1)), -100);
}

/**
 * Binary cross-entropy of probabilities: -t log p - (1-t) log(1-p), the logarithm of 0 taken as -100 (as PyTorch does).
 * bceWithLogits is more accurate and has a gradient where p saturates: prefer it where there are logits.
 * @param targets probabilities in [0, 1]: a tensor of the shape of `probabilities`, or one number for all
 * @throws GanvasError ERR_SHAPE unless the shapes agree
 */
export function bce(
  probabilities: Tensor,
  targets: Tensor | number,
  { reduction }: ReductionOptions = {},
): Tensor {
  if (typeof targets !== 'number') assertSameShape('bce', probabilities, targets);
  const p = inFloat32(probabilities);
  const t = constantOrFloat(targets);
  const rest = typeof t === 'number' ? 1 - t : sub(1, t);
  return reduceLoss('bce', neg(add(mul(boundedLog(p), t), mul(boundedLog(sub(1, p)), rest))), reduction);
}

function assertLabels(loss: string, scores: Tensor, labels: Tensor): void {
  const rows = scores.shape.slice(0, -1);
  if (scores.rank === 0 || labels.rank !== rows.length || rows.some((d, i) => d !== labels.shape[i])) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${loss}: expected scores [..., classes] and a label for each row, got [${scores.shape}] and [${labels.shape}]`,
    );
  }
}

/** The element of each row that the label names: [..., classes], [...] → [...]. */
function pick(rows: Tensor, labels: Tensor): Tensor {
  return reshape(takeAlongAxis(rows, reshape(labels, [...labels.shape, 1]), -1), labels.shape);
}

/**
 * Negative log-likelihood: minus the log-probability of the labelled class.
 * @param logProbabilities [..., classes], as logSoftmax gives
 * @param labels [...], i32 or u8, each from 0 to classes - 1
 * @throws GanvasError ERR_SHAPE unless there is one label per row; a label out of range is reported by the next read
 */
export function nll(logProbabilities: Tensor, labels: Tensor, { reduction }: ReductionOptions = {}): Tensor {
  assertLabels('nll', logProbabilities, labels);
  return reduceLoss('nll', neg(pick(inFloat32(logProbabilities), labels)), reduction);
}

export interface CrossEntropyOptions extends ReductionOptions {
  /** ε in [0, 1]: the targets become (1-ε) t + ε / classes (Szegedy et al. 2016, section 7). Default 0. */
  labelSmoothing?: number;
}

/**
 * Cross-entropy of classes from logits: -Σ_c t_c log softmax(x)_c for each row, averaged over the rows.
 * @param logits [..., classes]
 * @param targets labels [...], i32 or u8, each from 0 to classes - 1; or probabilities [..., classes], f32
 * @throws GanvasError ERR_SHAPE unless there is one target per row, ERR_ARGUMENT unless 0 <= labelSmoothing <= 1; a
 * label out of range is reported by the next read
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  { labelSmoothing = 0, reduction }: CrossEntropyOptions = {},
): Tensor {
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `crossEntropy: labelSmoothing must lie in [0, 1], got ${String(labelSmoothing)}`,
    );
  }
  const asLabels = targets.dtype === 'i32' || targets.dtype === 'u8';
  if (asLabels) assertLabels('crossEntropy', logits, targets);
  else assertSameShape('crossEntropy', logits, targets);
  const scores = logSoftmax(inFloat32(logits), -1);
  const likelihood = asLabels ? pick(scores, targets) : sum(mul(scores, inFloat32(targets)), -1);
  if (labelSmoothing === 0) return reduceLoss('crossEntropy', neg(likelihood), reduction);
  const smoothed = add(mul(likelihood, labelSmoothing - 1), mul(mean(scores, -1), -labelSmoothing));
  return reduceLoss('crossEntropy', smoothed, reduction);
}

/** (x - t)². Throws ERR_SHAPE unless the shapes agree. */
export function mse(x: Tensor, target: Tensor, { reduction }: ReductionOptions = {}): Tensor {
  assertSameShape('mse', x, target);
  return reduceLoss('mse', square(sub(inFloat32(x), inFloat32(target))), reduction);
}

/** |x - t|. Throws ERR_SHAPE unless the shapes agree. */
export function l1(x: Tensor, target: Tensor, { reduction }: ReductionOptions = {}): Tensor {
  assertSameShape('l1', x, target);
  return reduceLoss('l1', abs(sub(inFloat32(x), inFloat32(target))), reduction);
}

/** ½ d² where |d| <= δ, else δ (|d| - ½ δ), d = x - t. */
function huberValues(x: Tensor, target: Tensor, delta: number): Tensor {
  const distance = abs(sub(inFloat32(x), inFloat32(target)));
  const inside = clamp(distance, 0, delta);
  return mul(inside, sub(distance, mul(inside, 0.5)));
}

export interface HuberOptions extends ReductionOptions {
  /** δ > 0, where the parabola turns into a line. Default 1. */
  delta?: number;
}

/**
 * ½ (x-t)² where |x-t| <= δ, else δ (|x-t| - ½ δ) (Huber 1964).
 * Throws ERR_SHAPE unless the shapes agree, ERR_ARGUMENT unless δ > 0.
 */
export function huber(x: Tensor, target: Tensor, { delta = 1, reduction }: HuberOptions = {}): Tensor {
  assertSameShape('huber', x, target);
  if (!(delta > 0 && Number.isFinite(delta))) {
    throw new GanvasError('ERR_ARGUMENT', `huber: delta must be finite and above 0, got ${String(delta)}`);
  }
  return reduceLoss('huber', huberValues(x, target, delta), reduction);
}

export interface SmoothL1Options extends ReductionOptions {
  /** β >= 0, where the parabola turns into a line; 0 is l1. Default 1. */
  beta?: number;
}

/**
 * ½ (x-t)² / β where |x-t| <= β, else |x-t| - ½ β (Girshick 2015): huber(β) / β.
 * Throws ERR_SHAPE unless the shapes agree, ERR_ARGUMENT unless β >= 0.
 */
export function smoothL1(x: Tensor, target: Tensor, { beta = 1, reduction }: SmoothL1Options = {}): Tensor {
  assertSameShape('smoothL1', x, target);
  if (!(beta >= 0 && Number.isFinite(beta))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `smoothL1: beta must be finite and at least 0, got ${String(beta)}`,
    );
  }
  if (beta === 0) return l1(x, target, { reduction });
  return reduceLoss('smoothL1', div(huberValues(x, target, beta), beta), reduction);
}

export interface CosineEmbeddingOptions extends ReductionOptions {
  /** Cosine up to which a pair that should differ costs nothing, in [-1, 1]. Default 0. */
  margin?: number;
}

/**
 * For rows that should agree (label 1) 1 - cos(a, b); for those that should differ (label -1) max(0, cos(a, b) - margin).
 * @param a [..., features]
 * @param b of a's shape
 * @param labels [...], each 1 or -1
 * @throws GanvasError ERR_SHAPE unless the shapes fit
 */
export function cosineEmbedding(
  a: Tensor,
  b: Tensor,
  labels: Tensor,
  { margin = 0, reduction }: CosineEmbeddingOptions = {},
): Tensor {
  assertSameShape('cosineEmbedding', a, b);
  assertLabels('cosineEmbedding', a, labels);
  const [x, y] = [inFloat32(a), inFloat32(b)];
  // PyTorch adds this to the squared norms.
  const norms = mul(add(sum(square(x), -1), 1e-12), add(sum(square(y), -1), 1e-12));
  const cosine = div(sum(mul(x, y), -1), sqrt(norms));
  const values = where(greater(labels, 0), sub(1, cosine), maximum(sub(cosine, margin), 0));
  return reduceLoss('cosineEmbedding', values, reduction);
}
