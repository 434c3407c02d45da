// What may stand between a generator and the discriminator besides augmentation: a pool of earlier images, and noise that
// dies away. State lives in buffers and changes on the device, so that it is saved with a run and replayed: put these
// modules among its networks.

import { GanvasError } from '../errors.js';
import { assertCount, buffer, Module } from '../nn/module.js';
import { noGrad } from '../tensor/autograd.js';
import {
  add,
  arange,
  bernoulli,
  broadcastTo,
  cast,
  concat,
  div,
  full,
  gather,
  greaterEqual,
  less,
  maximum,
  minimum,
  mul,
  randn,
  randperm,
  reshape,
  scatterAlongAxis,
  slice,
  sub,
  where,
  zeros,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import type { Generator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Shape, Tensor } from '../tensor/tensor.js';

export interface ReplayPoolOptions {
  /** What random numbers are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/**
 * A history of generated images for the discriminator's phase (Shrivastava et al. 2017, section 2.3; CycleGAN's rule for
 * single images, Zhu et al. 2017). While there is room, images are stored and come out as they are. Once the pool is
 * full, each image with probability ½ changes places with a stored one, drawn without repetition, and otherwise passes.
 *
 *     const fake = pool.forward(noGrad(() => generator.forward(z)));
 */
export class ReplayPool extends Module {
  /** [capacity, H, W, C]. */
  readonly images: Tensor;
  /** How many of them are stored images, one number. */
  readonly count: Tensor;
  readonly capacity: number;
  readonly #generator: Generator | undefined;

  /**
   * @param capacity images in the pool; CycleGAN's is 50
   * @param shape of one image, [H, W, C]
   * @throws GanvasError ERR_ARGUMENT unless the capacity is a positive integer, ERR_SHAPE for an impossible shape
   */
  constructor(capacity: number, shape: Shape, { generator }: ReplayPoolOptions = {}) {
    super();
    assertCount(capacity, 'ReplayPool: capacity');
    this.capacity = capacity;
    this.images = buffer(zeros([capacity, ...shape]));
    this.count = buffer(zeros([]));
    this.#generator = generator;
  }

  /**
   * As many images as came in; no gradient flows through. Of a batch larger than the pool, the images beyond the
   * capacity pass.
   * @param fake [N, H, W, C]
   * @throws GanvasError ERR_SHAPE for images of another shape
   */
  forward(fake: Tensor): Tensor {
    const { shape } = this.images;
    if (fake.rank !== shape.length || fake.shape.some((size, axis) => axis > 0 && size !== shape[axis])) {
      throw new GanvasError(
        'ERR_SHAPE',
        `ReplayPool: expected images [N, ${shape.slice(1).join(', ')}], got [${fake.shape}]`,
      );
    }
    return noGrad(() => scope(() => this.#exchange(fake)));
  }

  #exchange(fake: Tensor): Tensor {
    const { capacity, images, count } = this;
    const generator = this.#generator;
    const n = Math.min(fake.shape[0], capacity);
    const box = [n, ...fake.shape.slice(1)];
    const begin = box.map(() => 0);
    const newest = slice(fake, begin, box);
    const perImage = (t: Tensor) => reshape(t, [n, ...box.slice(1).map(() => 1)]);

    const isFull = greaterEqual(count, capacity);
    const next = add(arange(n), count);
    const hasRoom = less(next, capacity);
    // Places are distinct either way: no two images of a batch meet in one.
    const wrapped = where(hasRoom, next, sub(next, capacity));
    const places = where(isFull, slice(randperm(capacity, { generator }), [0], [n]), cast(wrapped, 'i32'));
    const exchanged = mul(cast(isFull, 'f32'), bernoulli([n], 0.5, { generator }));
    const stored = maximum(exchanged, cast(hasRoom, 'f32'));

    const earlier = gather(images, places);
    const kept = where(perImage(stored), newest, earlier);
    const result = where(perImage(exchanged), earlier, newest);
    assign(
      [images, count],
      [
        scatterAlongAxis(images, broadcastTo(perImage(places), box), kept, 0),
        minimum(add(count, n), capacity),
      ],
    );
    const rest = fake.shape[0] - n;
    if (rest === 0) return result;
    return concat([result, slice(fake, [n, ...begin.slice(1)], [rest, ...box.slice(1)])]);
  }
}

export interface InstanceNoiseOptions {
  /** What random numbers are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/**
 * Instance noise (Sønderby et al. 2017; Arjovsky and Bottou 2017): N(0, σ²) on every image that the discriminator sees,
 * real and generated, which makes the two distributions overlap. σ falls linearly, from its first value to 0.
 */
export class InstanceNoise extends Module {
  /** σ, one number. */
  readonly sigma: Tensor;
  /** Calls of step() so far, one number. */
  readonly taken: Tensor;
  /** σ at the beginning. */
  readonly first: number;
  /** Calls of step() until σ is 0. */
  readonly steps: number;
  readonly #generator: Generator | undefined;

  /**
   * @param first σ at the beginning, 0 or more; images reach from -1 to 1
   * @param steps calls of step() until it is 0
   * @throws GanvasError ERR_ARGUMENT for a σ below 0 or infinite, or steps that are no positive integer
   */
  constructor(first: number, steps: number, { generator }: InstanceNoiseOptions = {}) {
    super();
    if (!(first >= 0 && Number.isFinite(first))) {
      throw new GanvasError('ERR_ARGUMENT', `InstanceNoise: sigma must be 0 or more, got ${first}`);
    }
    assertCount(steps, 'InstanceNoise: steps');
    this.first = first;
    this.steps = steps;
    this.sigma = buffer(full([], first));
    this.taken = buffer(zeros([]));
    this.#generator = generator;
  }

  /** x + σ N(0, 1), of any shape; each call draws anew. */
  forward(x: Tensor): Tensor {
    return add(x, mul(randn(x.shape, { generator: this.#generator }), this.sigma));
  }

  /** Moves σ on: once for each training step. */
  step(): void {
    noGrad(() =>
      scope(() => {
        const taken = minimum(add(this.taken, 1), this.steps);
        // From the count each time: differences would add up their rounding and miss 0.
        const sigma = mul(sub(1, div(taken, this.steps)), this.first);
        assign([this.taken, this.sigma], [taken, sigma]);
      }),
    );
  }
}
