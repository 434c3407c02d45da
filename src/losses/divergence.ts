// Distances between distributions and between features: Kullback-Leibler divergences, and feature matching. Pure functions
// that return a scalar unless asked otherwise.

import { GanvasError } from '../errors.js';
import { noGrad } from '../tensor/autograd.js';
import {
  abs,
  add,
  cast,
  div,
  exp,
  greater,
  log,
  logSoftmax,
  mean,
  mul,
  square,
  sub,
  sum,
  where,
} from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertSameShape, type Reduction, type ReductionOptions, reduceLoss } from './reduction.js';

export interface KLDivOptions {
  /** 'batchMean' (default): the sum divided by the first dimension, which is the divergence per sample. */
  reduction?: Reduction | 'batchMean';
  /** Whether the target is given as log-probabilities. Default false. */
  logTarget?: boolean;
}

/**
 * The Kullback-Leibler divergence Σ t (log t - x) of the target distribution t from the one with log-probabilities x,
 * 0 where t is 0 (PyTorch's kl_div, whose default reduction is another).
 * @param logProbabilities [N, ..., classes], as logSoftmax gives
 * @param target of the same shape, probabilities or their logarithms (`logTarget`)
 * @throws GanvasError ERR_SHAPE unless the shapes agree
 */
export function klDiv(
  logProbabilities: Tensor,
  target: Tensor,
  { reduction = 'batchMean', logTarget = false }: KLDivOptions = {},
): Tensor {
  assertSameShape('klDiv', logProbabilities, target);
  const [x, t] = [inFloat32(logProbabilities), inFloat32(target)];
  const values = logTarget ? mul(exp(t), sub(t, x)) : divergenceFrom(x, t);
  if (reduction !== 'batchMean') return reduceLoss('klDiv', values, reduction);
  return div(sum(values), x.shape[0] ?? 1);
}

function divergenceFrom(x: Tensor, t: Tensor): Tensor {
  const possible = greater(t, 0);
  return where(possible, mul(t, sub(log(where(possible, t, 1)), x)), 0);
}

/**
 * klDiv between softmax(targetLogits) and softmax(logits), along the last axis.
 * @param logits [N, ..., classes]
 * @param targetLogits of the same shape
 * @throws GanvasError ERR_SHAPE unless the shapes agree
 */
export function klDivWithLogits(
  logits: Tensor,
  targetLogits: Tensor,
  { reduction }: Pick<KLDivOptions, 'reduction'> = {},
): Tensor {
  assertSameShape('klDivWithLogits', logits, targetLogits);
  const options = { reduction, logTarget: true };
  return klDiv(logSoftmax(inFloat32(logits), -1), logSoftmax(inFloat32(targetLogits), -1), options);
}

/**
 * The divergence of N(μ, σ²) from N(0, 1), ½ Σ (μ² + σ² - 1 - log σ²) over the dimensions of a sample, averaged over the
 * samples: the regulariser of variational autoencoders (Kingma and Welling 2014, appendix B).
 * @param means [N, ...]
 * @param logVariances log σ², of the same shape
 * @throws GanvasError ERR_SHAPE unless the shapes agree
 */
export function gaussianKL(
  means: Tensor,
  logVariances: Tensor,
  { reduction }: ReductionOptions = {},
): Tensor {
  assertSameShape('gaussianKL', means, logVariances);
  const [mu, lv] = [inFloat32(means), inFloat32(logVariances)];
  const terms = mul(sub(sub(add(square(mu), exp(lv)), 1), lv), 0.5);
  const samples = sum(
    terms,
    terms.shape.map((_, i) => i).filter((i) => i > 0),
  );
  return reduceLoss('gaussianKL', samples, reduction);
}

function asLists(loss: string, real: Tensor | Tensor[], fake: Tensor | Tensor[]): [Tensor[], Tensor[]] {
  const lists: [Tensor[], Tensor[]] = [[real].flat(), [fake].flat()];
  if (lists[0].length !== lists[1].length || lists[0].length === 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${loss}: expected as many layers of real as of fake features, got ${lists[0].length} and ${lists[1].length}`,
    );
  }
  return lists;
}

/** A constant to every gradient. */
const detached = (x: Tensor): Tensor => noGrad(() => cast(inFloat32(x), 'f32'));

/**
 * Feature matching of single samples, as in pix2pixHD (Wang et al. 2018, eq. 4): the mean of |f(x) - f(G(z))|, averaged
 * over the layers. No gradient flows to the real features.
 * @param real the discriminator's features of real samples, one tensor or one per layer
 * @param fake those of generated samples, with the same shapes
 * @throws GanvasError ERR_SHAPE unless the shapes agree, ERR_ARGUMENT for lists of different lengths
 */
export function featureMatching(real: Tensor | Tensor[], fake: Tensor | Tensor[]): Tensor {
  const [reals, fakes] = asLists('featureMatching', real, fake);
  const layers = fakes.map((f, i) => {
    assertSameShape('featureMatching', reals[i], f);
    return mean(abs(sub(inFloat32(f), detached(reals[i]))));
  });
  return div(layers.reduce(add), layers.length);
}

/**
 * Feature matching of statistics (Salimans et al. 2016, 3.1): ‖E f(x) - E f(G(z))‖², the means taken over the batch,
 * summed over the layers. The two batches may differ in size. No gradient flows to the real features.
 * @param real the discriminator's features of real samples [N, ...], one tensor or one per layer
 * @param fake those of generated samples [M, ...]
 * @throws GanvasError ERR_SHAPE unless the shapes of single samples agree, ERR_ARGUMENT for lists of different lengths
 */
export function meanFeatureMatching(real: Tensor | Tensor[], fake: Tensor | Tensor[]): Tensor {
  const [reals, fakes] = asLists('meanFeatureMatching', real, fake);
  const layers = fakes.map((f, i) => {
    const [a, b] = [mean(detached(reals[i]), 0), mean(inFloat32(f), 0)];
    assertSameShape('meanFeatureMatching', a, b);
    return sum(square(sub(b, a)));
  });
  return layers.reduce(add);
}
