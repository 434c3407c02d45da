// Random tensors, f32: Philox numbers made on the device from the (key, counter) that a Generator hands out, so a draw
// does not depend on the device or the number of threads. Constants to every gradient.

import { GanvasError } from '../../errors.js';
import { native } from '../define.js';
import { defaultGenerator, type Generator } from '../random-state.js';
import type { Shape, Tensor } from '../tensor.js';
import { assertShape } from './create.js';

export interface RandomOptions {
  /** Where the numbers come from; default: the generator that manualSeed() seeds. */
  generator?: Generator;
}

export interface UniformOptions extends RandomOptions {
  /** Smallest value, included; default 0. */
  low?: number;
  /** Largest value, excluded; default 1. */
  high?: number;
}

export interface NormalOptions extends RandomOptions {
  /** Default 0. */
  mean?: number;
  /** Standard deviation; default 1. */
  std?: number;
}

function draw(
  op: 'uniform' | 'normal' | 'bernoulli' | 'gumbel',
  shape: Shape,
  a: number,
  b: number,
  generator = defaultGenerator,
): Tensor {
  assertShape(op, shape);
  if (typeof a !== 'number' || typeof b !== 'number') {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: the parameters must be numbers, got ${String(a)} and ${String(b)}`,
    );
  }
  const size = shape.reduce((n, d) => n * d, 1);
  return native(op, [], [generator.draw(size), a, b, shape.length, ...shape])[0];
}

/**
 * Numbers drawn uniformly from [low, high). Throws ERR_ARGUMENT unless low <= high and both are finite, ERR_SHAPE for
 * an impossible shape.
 */
export function uniform(shape: Shape, { low = 0, high = 1, generator }: UniformOptions = {}): Tensor {
  return draw('uniform', shape, low, high, generator);
}

/** Numbers drawn uniformly from [0, 1). Throws ERR_SHAPE for an impossible shape. */
export function rand(shape: Shape, { generator }: RandomOptions = {}): Tensor {
  return draw('uniform', shape, 0, 1, generator);
}

/**
 * Numbers drawn from the normal distribution N(mean, std²). Throws ERR_ARGUMENT unless both are finite and std >= 0,
 * ERR_SHAPE for an impossible shape.
 */
export function randn(shape: Shape, { mean = 0, std = 1, generator }: NormalOptions = {}): Tensor {
  return draw('normal', shape, mean, std, generator);
}

export interface BernoulliOptions extends RandomOptions {
  /** What a success is. Default 1; with 1 / p the mean is 1, as dropout wants it. */
  value?: number;
}

/**
 * `value` (default 1) with probability p, else 0, in f32. Throws ERR_ARGUMENT unless 0 <= p <= 1 and value >= 0,
 * ERR_SHAPE for an impossible shape.
 */
export function bernoulli(shape: Shape, p: number, { value = 1, generator }: BernoulliOptions = {}): Tensor {
  if (!(p >= 0 && p <= 1)) {
    throw new GanvasError('ERR_ARGUMENT', `bernoulli: p must lie in [0, 1], got ${String(p)}`);
  }
  return draw('bernoulli', shape, p, value, generator);
}

export interface GumbelOptions extends RandomOptions {
  /** Default 0. */
  location?: number;
  /** Default 1. */
  scale?: number;
}

/**
 * Numbers drawn from the Gumbel distribution, location - scale log(-log u) with u uniform in (0, 1): the noise that
 * makes argmax(logits + noise) a draw from softmax(logits).
 * Throws ERR_ARGUMENT unless both are finite and scale >= 0, ERR_SHAPE for an impossible shape.
 */
export function gumbel(shape: Shape, { location = 0, scale = 1, generator }: GumbelOptions = {}): Tensor {
  return draw('gumbel', shape, location, scale, generator);
}
