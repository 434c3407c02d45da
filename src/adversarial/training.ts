// The loss of adversarial training: a classifier learns from images that are made to fool it as it is at that moment. A
// function of a batch, for use in valueAndGrad or a trainer's phase.

import { GanvasError } from '../errors.js';
import { crossEntropy } from '../losses/supervised.js';
import type { Module } from '../nn/module.js';
import { add, mul } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

export interface AdversarialTrainingOptions {
  /** Makes the images: `(model, x, labels) => pgd(model, x, labels, { ... })`. */
  attack: (model: Module, x: Tensor, labels: Tensor) => Tensor;
  /** α in [0, 1], the weight of the images as they are. Default 0.5; 0 is the objective of Madry et al. */
  alpha?: number;
}

/** Runs fn with the network in evaluation mode, and puts every module back into the mode it was in. */
function inEvaluation<T>(network: Module, fn: () => T): T {
  const before = network.modules().map((module) => [module, module.training] as const);
  network.eval();
  try {
    return fn();
  } finally {
    for (const [module, training] of before) module.training = training;
  }
}

/**
 * α J(x, y) + (1 - α) J(x', y), where J is the mean cross-entropy and x' the attack on x. With fgsm and α = 0.5 this is
 * Goodfellow, Shlens and Szegedy (2015, section 6); with pgd from a random start and α = 0 Madry et al. (2018, equation
 * 2.1), min over θ of E[max over δ of J(x + δ, y)]. x' is a constant to the gradient, as in both papers, and is made with
 * the network in evaluation mode: dropout would blur the attack, and batch normalisation remember it.
 *
 * @param network images → logits [n, classes]
 * @param x f32 [n, height, width, channels]
 * @param labels i32 [n]
 * @throws GanvasError ERR_ARGUMENT unless 0 <= alpha <= 1
 */
export function adversarialTrainingLoss(
  network: Module,
  x: Tensor,
  labels: Tensor,
  { attack, alpha = 0.5 }: AdversarialTrainingOptions,
): Tensor {
  if (!(alpha >= 0 && alpha <= 1)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `adversarialTrainingLoss: alpha must lie in [0, 1], got ${String(alpha)}`,
    );
  }
  const loss = (images: Tensor) => crossEntropy(network.forward(images), labels);
  if (alpha === 1) return loss(x);
  const fooling = inEvaluation(network, () => attack(network, x, labels));
  if (alpha === 0) return loss(fooling);
  return add(mul(loss(x), alpha), mul(loss(fooling), 1 - alpha));
}
