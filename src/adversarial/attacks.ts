// Adversarial examples: images moved within a small box around them so that a classifier goes wrong. Pure functions of any
// differentiable x → logits; they change neither the model nor the image, and their result is a constant to any gradient.
// Training against them is training.ts, measuring a trained classifier robustness.ts.

import { GanvasError } from '../errors.js';
import { assertCount, Module } from '../nn/module.js';
import { grad, noGrad } from '../tensor/autograd.js';
import {
  add,
  arange,
  clamp,
  equal,
  exp,
  log,
  max,
  maximum,
  minimum,
  mul,
  reshape,
  sign,
  sub,
  sum,
  takeAlongAxis,
  uniform,
  where,
} from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Generator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import { assertTensor, type Tensor } from '../tensor/tensor.js';

/** What can be attacked: a function x [n, ...] → logits [n, classes], or a module whose forward is one. */
export type LogitFunction = Module | ((x: Tensor) => Tensor);

export interface FgsmOptions {
  /** ε >= 0, in the units of x: for images in [-1, 1], twice what it is where pixels are in [0, 1]. */
  eps: number;
  /** Values that x may take; the result is clipped to it. x must lie in it. Default [-1, 1]. */
  range?: readonly [number, number];
  /** Whether `labels` are the classes to be taken for rather than the right ones: J is then made small. Default false. */
  targeted?: boolean;
  /** J, to one number; must not mix the images of a batch but by their sum or mean. Default: as cross-entropy. */
  loss?: (logits: Tensor, labels: Tensor) => Tensor;
}

export interface PgdOptions extends FgsmOptions {
  /** How often the gradient is followed. */
  steps: number;
  /** α > 0, in the units of x. Default 2.5 ε / steps: enough to cross the box from one face to the other. */
  stepSize?: number;
  /** Whether to start at a random point of the box, uniform in each value, rather than at x. Default false. */
  randomStart?: boolean;
  /** What the random start is drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/**
 * Σ log Σ_{c ≠ y} exp(z_c) - z_y over the images. Cross-entropy is the softplus of each of these margins, so its gradient
 * by an image has the same signs; but in f32 it vanishes, in part or altogether, where the classifier is sure.
 */
function wrongMargin(logits: Tensor, labels: Tensor): Tensor {
  const [n, classes] = logits.shape;
  if (logits.rank !== 2 || classes < 2 || labels.rank !== 1 || labels.shape[0] !== n) {
    throw new GanvasError(
      'ERR_SHAPE',
      `expected logits [n, classes] of two or more classes and labels [n], got [${logits.shape}] and [${labels.shape}]`,
    );
  }
  const z = inFloat32(logits);
  const column = reshape(labels, [n, 1]);
  const right = equal(column, arange(classes));
  const others = where(right, Number.NEGATIVE_INFINITY, z);
  const greatest = noGrad(() => max(others, 1, true));
  const wrong = add(log(sum(exp(sub(others, greatest)), 1, true)), greatest);
  return sum(sub(wrong, takeAlongAxis(z, column, 1)));
}

function assertBox(attack: string, eps: number, [low, high]: readonly [number, number]): void {
  if (!(eps >= 0 && Number.isFinite(eps))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${attack}: eps must be a finite number of at least 0, got ${String(eps)}`,
    );
  }
  if (!(low < high)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${attack}: range must be [low, high] with low below high, got [${low}, ${high}]`,
    );
  }
}

/** sign(∇x J), its opposite when targeted: the direction to move in. */
function direction(
  model: LogitFunction,
  x: Tensor,
  labels: Tensor,
  { targeted = false, loss = wrongMargin }: FgsmOptions,
): Tensor {
  const logits = (at: Tensor) => (model instanceof Module ? model.forward(at) : model(at));
  const ascent = sign(grad((at: Tensor) => loss(logits(at), labels))(x));
  return targeted ? mul(ascent, -1) : ascent;
}

/**
 * The fast gradient sign method (Goodfellow, Shlens and Szegedy 2015, section 4): x + ε sign(∇x J(x, labels)), clipped to
 * `range`. Targeted: x - ε sign(∇x J(x, targets)). Of all points at most ε away in every value, the worst for a model
 * that is linear in x.
 *
 *     const fooled = fgsm(classifier.eval(), images, labels, { eps: 0.5 });
 *
 * @param model as it stands: turn dropout and batch statistics off first with eval()
 * @param x f32 [n, ...], within `range`
 * @param labels whatever J takes; by default i32 [n]
 * @returns f32, of the shape of x
 * @throws GanvasError ERR_ARGUMENT for an impossible eps or range, ERR_SHAPE when logits and labels do not fit
 */
export function fgsm(model: LogitFunction, x: Tensor, labels: Tensor, options: FgsmOptions): Tensor {
  assertTensor(x, 'fgsm: x');
  const { eps, range = [-1, 1] } = options;
  assertBox('fgsm', eps, range);
  return noGrad(() =>
    scope(() => clamp(add(x, mul(direction(model, x, labels, options), eps)), range[0], range[1])),
  );
}

/**
 * Projected gradient descent on -J: the iterated method of Kurakin, Goodfellow and Bengio (2017, section 2.2), and, with a
 * random start, the adversary of Madry et al. (2018, section 2.1):
 *
 *     x₀ = x, or x + U(-ε, ε);  xₜ₊₁ = Π(xₜ + α sign(∇x J(xₜ, labels)))
 *
 * where Π clips to [x - ε, x + ε] and to `range`. Targeted: minus α, J of the targets.
 *
 * @param model as it stands: turn dropout and batch statistics off first with eval()
 * @param x f32 [n, ...], within `range`
 * @param labels whatever J takes; by default i32 [n]
 * @returns f32, of the shape of x
 * @throws GanvasError ERR_ARGUMENT for impossible options, ERR_SHAPE when logits and labels do not fit
 */
export function pgd(model: LogitFunction, x: Tensor, labels: Tensor, options: PgdOptions): Tensor {
  assertTensor(x, 'pgd: x');
  const { eps, range = [-1, 1], steps, randomStart = false, generator } = options;
  assertBox('pgd', eps, range);
  assertCount(steps, 'pgd: steps');
  const { stepSize = (2.5 * eps) / steps } = options;
  if (!(stepSize >= 0 && Number.isFinite(stepSize))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `pgd: stepSize must be a finite number of at least 0, got ${String(stepSize)}`,
    );
  }
  return noGrad(() =>
    scope(() => {
      const lowest = clamp(sub(x, eps), range[0], range[1]);
      const highest = clamp(add(x, eps), range[0], range[1]);
      const project = (at: Tensor) => minimum(maximum(at, lowest), highest);
      const noise = () => uniform(x.shape, { low: -eps, high: eps, generator });
      let at = randomStart && eps > 0 ? project(add(x, noise())) : x;
      for (let step = 0; step < steps; step++) {
        const from = at;
        // A scope of its own: otherwise the activations of all steps would live until the last.
        at = scope(() => project(add(from, mul(direction(model, from, labels, options), stepSize))));
        if (from !== x) from.dispose();
      }
      return at;
    }),
  );
}
