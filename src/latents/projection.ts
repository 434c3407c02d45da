// Projection: the point of a generator's space whose image comes nearest to a given one, found by following
// the gradient through the generator (Karras et al. 2020, appendix D). Without the paper's noise maps: images
// of ganvas's generators are functions of the point alone. Knows networks as functions; from a run directory
// it is generator.project().

import { GanvasError } from '../errors.js';
import { assertCount } from '../nn/module.js';
import { Adam } from '../optim/adam.js';
import { noGrad, valueAndGrad } from '../tensor/autograd.js';
import { add, concat, div, mean, mul, randn, slice, square, sub } from '../tensor/ops/index.js';
import { Generator as RandomGenerator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';

// Of appendix D, as shares of the steps: the learning rate rises over the first 5 % and falls over the last
// 25 %, the noise is gone after 75 %.
const rampUp = 0.05;
const rampDown = 0.25;
const noiseUntil = 0.75;
const noiseFactor = 0.05;
// Keeps the relative distance of features finite where all of them are 0.
const leastSize = 1e-8;
// How many of the candidates are drawn to find a start.
const triedStarts = 64;
// Reading the loss waits for the device.
const stepsPerReport = 10;

export interface ProjectionStep {
  /** Steps taken. */
  step: number;
  steps: number;
  /** What is minimised, at the noisy point. */
  loss: number;
}

export interface ProjectionOptions {
  /** Default 500; the paper takes 1000. */
  steps?: number;
  /** Greatest learning rate of Adam. Default 0.1. */
  lr?: number;
  /**
   * Weight of the distance of the discriminator's features beside that of the pixels; 0: pixels alone.
   * Default 0.
   */
  featureWeight?: number;
  /** Of the candidates and the noise: same seed, same result. Default 0. */
  seed?: number;
  /** Stops early, with the point reached. */
  signal?: AbortSignal;
  onStep?: (report: ProjectionStep) => void;
}

export interface ProjectionProblem {
  /** [1, height, width, channels] in [-1, 1]. */
  target: Tensor;
  /** Typical points, [m, size]: their mean and spread are where to look. */
  candidates: Tensor;
  /** Images of points [n, size]. */
  draw(points: Tensor): Tensor;
  /** [n, F], given if featureWeight is above 0. */
  features?(images: Tensor): Tensor;
}

/** Factor of the learning rate at t from 0 to 1: a linear rise, and a fall along a cosine. */
export function rateAt(t: number): number {
  const fall = 0.5 - 0.5 * Math.cos(Math.PI * Math.min(1, (1 - t) / rampDown));
  return fall * Math.min(1, t / rampUp);
}

/**
 * The peak signal-to-noise ratio in dB of a mean squared error between images in [-1, 1]: 10 log10(2² / mse).
 */
export function psnr(mse: number): number {
  return 10 * Math.log10(4 / mse);
}

/** The mean of the points, and σ, the root of the mean squared distance from it. */
async function spreadOf(candidates: Tensor): Promise<{ centre: Tensor; sigma: number }> {
  const [size, centre] = [candidates.shape[1], mean(candidates, 0, true)];
  const [variance] = await mean(square(sub(candidates, centre))).data();
  return { centre, sigma: Math.sqrt(size * variance) };
}

/** Of the mean and some candidates, the point [1, size] whose image is nearest. */
async function nearest(centre: Tensor, { candidates, target, draw }: ProjectionProblem): Promise<Tensor> {
  const count = Math.min(triedStarts, candidates.shape[0]);
  const size = candidates.shape[1];
  const tried = concat([centre, slice(candidates, [0, 0], [count, size])], 0);
  const distances = noGrad(() => mean(square(sub(draw(tried), target)), [1, 2, 3]));
  const errors = Array.from(await distances.data());
  const best = errors.indexOf(Math.min(...errors));
  return slice(tried, [best, 0], [1, size]);
}

/**
 * Minimises, by the point p [1, size], mean((G(p) - x)²) + λ |D(G(p)) - D(x)|² / |D(x)|², D(x) being features
 * of the image x: Adam at a rate that rises and falls, and for the first three quarters noise N(0, (0.05 σ
 * t²)²) on the point, t going from 1 to 0. Begins at the mean of the candidates, as the paper does, or at one
 * of them whose image is nearer.
 * @returns the first point and the last, or the first again where the last is no nearer
 * @throws GanvasError ERR_ARGUMENT for impossible options
 */
export async function projectImage(
  problem: ProjectionProblem,
  options: ProjectionOptions = {},
): Promise<{ start: Tensor; end: Tensor }> {
  const { steps = 500, lr = 0.1, featureWeight = 0, seed = 0, signal, onStep } = options;
  assertCount(steps, 'project: steps');
  for (const [name, value] of Object.entries({ lr, featureWeight })) {
    if (value >= 0 && Number.isFinite(value)) continue;
    throw new GanvasError('ERR_ARGUMENT', `project: ${name} must be a number of at least 0, got ${value}`);
  }
  const { target, candidates, draw, features } = problem;
  const generator = new RandomGenerator(seed);
  return scope(async () => {
    const { centre, sigma } = await spreadOf(candidates);
    const start = await nearest(centre, problem);
    const point = add(start, 0);
    const optimizer = new Adam([point], { lr });
    const wanted = featureWeight > 0 && features ? noGrad(() => features(target)) : undefined;
    const wantedSize = wanted && add(mean(square(wanted)), leastSize);
    const lossAt = (at: Tensor): Tensor => {
      const image = draw(at);
      const loss = mean(square(sub(image, target)));
      if (!wanted) return loss;
      const distance = div(mean(square(sub(features!(image), wanted))), wantedSize!);
      return add(loss, mul(distance, featureWeight));
    };
    try {
      for (let step = 0; step < steps && !signal?.aborted; step++) {
        const t = step / steps;
        const strength = noiseFactor * sigma * Math.max(0, 1 - t / noiseUntil) ** 2;
        optimizer.lr = lr * rateAt(t);
        const report = (step + 1) % stepsPerReport === 0 || step + 1 === steps;
        const loss = scope(() => {
          const noise = randn(point.shape, { std: strength, generator });
          const { value, grads } = valueAndGrad(() => lossAt(add(point, noise)), [point]);
          optimizer.step(grads);
          return report ? value.data() : undefined;
        });
        if (loss) onStep?.({ step: step + 1, steps, loss: (await loss)[0] });
      }
    } finally {
      optimizer.dispose();
    }
    const losses = noGrad(() => scope(() => [start, point].map(lossAt)));
    const [[first], [last]] = await Promise.all(losses.map((loss) => loss.data()));
    // Stopped early or led astray by a rate too high, the noisy way may have been for nothing.
    return { start, end: last < first ? point : start };
  });
}
