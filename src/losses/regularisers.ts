// Regularisers of the game that look at the discriminator's outputs or at weights, not at gradients (those are in
// gradient-penalty.ts): LeCam, historical averaging, orthogonal weights, and flipped labels. What they remember lives in
// buffers, so that it is saved with a run: put the two modules among its networks. Gradients flow through the newest
// values only, never into what is remembered.

import { GanvasError } from '../errors.js';
import { Convolution } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { type AnyModule, buffer, Module } from '../nn/module.js';
import { SpectralWeight } from '../nn/spectral.js';
import { assertDecay } from '../optim/optimizer.js';
import { noGrad } from '../tensor/autograd.js';
import {
  add,
  bernoulli,
  div,
  eye,
  greater,
  matmul,
  mean,
  mul,
  ones,
  reshape,
  square,
  sub,
  sum,
  transpose,
  where,
  zeros,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { inFloat32, withPrecision } from '../tensor/precision.js';
import type { Generator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertSameShape } from './reduction.js';

export interface LeCamOptions {
  /** γ in [0, 1): how much of the averages survives a step. Default 0.99. */
  decay?: number;
}

/**
 * LeCam regularisation (R_LC of Tseng et al. 2021): E[(D(x) - α_F)²] + E[(D(G(z)) - α_R)²], α_R and α_F the moving
 * averages of D(x) and D(G(z)), the newest batch included; they begin with the means of the first batch. To be added to
 * the discriminator's loss with a weight; for training on few images.
 *
 * The formula is the paper's; the authors' code leaves out the squares of D(x) below α_F and of D(G(z)) above α_R.
 */
export class LeCam extends Module {
  /** α_R, one number. */
  readonly real: Tensor;
  /** α_F, one number. */
  readonly fake: Tensor;
  /** 1 once the averages have begun, 0 before. */
  readonly begun: Tensor;
  readonly decay: number;

  /** @throws GanvasError ERR_ARGUMENT unless the decay lies in [0, 1) */
  constructor({ decay = 0.99 }: LeCamOptions = {}) {
    super();
    assertDecay(decay, 'LeCam: decay');
    this.decay = decay;
    this.real = buffer(zeros([]));
    this.fake = buffer(zeros([]));
    this.begun = buffer(zeros([]));
  }

  /** The regulariser, a scalar, from logits of any shapes. Each call moves the averages on. */
  forward(realLogits: Tensor, fakeLogits: Tensor): Tensor {
    const [real, fake] = [inFloat32(realLogits), inFloat32(fakeLogits)];
    const [alphaReal, alphaFake] = noGrad(() => {
      const averages = [this.#moved(this.real, real), this.#moved(this.fake, fake)];
      assign([this.real, this.fake, this.begun], [...averages, ones([])]);
      return averages;
    });
    return add(mean(square(sub(real, alphaFake))), mean(square(sub(fake, alphaReal))));
  }

  /** The average with another batch in it. */
  #moved(average: Tensor, logits: Tensor): Tensor {
    return scope(() => {
      const newest = mean(logits);
      return where(this.begun, add(newest, mul(sub(average, newest), this.decay)), newest);
    });
  }
}

/** The mean of one parameter's past values. */
class ParameterMean extends Module {
  /** Of the parameter's shape. */
  readonly mean: Tensor;
  readonly #parameter: Tensor;

  constructor(parameter: Tensor) {
    super();
    this.#parameter = parameter;
    this.mean = buffer(zeros(parameter.shape));
  }

  /** The squared distance of the parameter from the mean, into which it then goes as value number `count`. */
  forward(count: Tensor): Tensor {
    const difference = sub(this.#parameter, this.mean);
    noGrad(() => scope(() => assign(this.mean, add(this.mean, div(difference, count)))));
    return sum(square(difference));
  }
}

/**
 * Historical averaging (Salimans et al. 2016, section 3.3): ‖θ - (1/t) Σᵢ θᵢ‖², θ the parameters of a module and θᵢ
 * their values in the t past calls; 0 in the first. To be added to the module's loss with a weight.
 */
export class HistoricalAverage extends Module {
  /** For each parameter, in the order of parameters(). */
  readonly means: readonly ParameterMean[];
  /** t, one number. */
  readonly count: Tensor;

  /** @throws GanvasError ERR_ARGUMENT for a module without parameters */
  constructor(module: AnyModule) {
    super();
    const parameters = module.parameters();
    if (parameters.length === 0) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `HistoricalAverage: expected a module with parameters, ${module.constructor.name} has none`,
      );
    }
    this.means = parameters.map((t) => new ParameterMean(t));
    this.count = buffer(zeros([]));
  }

  /** The penalty, a scalar. Each call counts the present values as past ones from then on. */
  forward(): Tensor {
    noGrad(() => scope(() => assign(this.count, add(this.count, 1))));
    const distance = this.means.map((past) => past.forward(this.count)).reduce(add);
    return where(greater(this.count, 1), distance, 0);
  }
}

export interface OrthogonalOptions {
  /** Weight β of the penalty. Default 1e-4. */
  beta?: number;
}

/**
 * Orthogonal regularisation as relaxed for BigGAN (Brock et al. 2019, eq. 3): β Σ ‖W Wᵀ ⊙ (1 - I)‖²_F over the weights
 * W of the network's linear and convolutional layers, one row for each output. It asks for filters at right angles and
 * leaves their lengths alone. A spectrally normalised layer counts with the weight that is trained.
 *
 * The published code adds the gradient with half this factor.
 * @throws GanvasError ERR_ARGUMENT for a network without such a layer
 */
export function orthogonalRegularisation(
  network: AnyModule,
  { beta = 1e-4 }: OrthogonalOptions = {},
): Tensor {
  const penalties = network
    .modules()
    .filter((layer): layer is Linear | Convolution => layer instanceof Linear || layer instanceof Convolution)
    .map(overlaps);
  if (penalties.length === 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `orthogonalRegularisation: ${network.constructor.name} has no linear or convolutional layer`,
    );
  }
  return mul(penalties.reduce(add), beta);
}

/** ‖W Wᵀ ⊙ (1 - I)‖²_F of a layer. */
function overlaps(layer: Linear | Convolution): Tensor {
  const normalised = layer.children().find(([, child]) => child instanceof SpectralWeight)?.[1];
  const { weight } = (normalised as SpectralWeight | undefined) ?? layer;
  const outputsLast = layer instanceof Convolution && layer.outputsLast;
  const outputs = weight.shape[outputsLast ? weight.rank - 1 : 0];
  const rows = outputsLast ? transpose(reshape(weight, [-1, outputs])) : reshape(weight, [outputs, -1]);
  return withPrecision('f32', () =>
    sum(square(mul(matmul(rows, rows, { transB: true }), sub(1, eye(outputs))))),
  );
}

/**
 * Flips labels at random (a trick of practice: Chintala et al. 2016, "How to train a GAN", number 6): with probability
 * p each, logits number i of the two batches change places, so that the discriminator takes the generated sample for
 * the real one. For any objective:
 *
 *     loss = hinge.discriminator(...flipLabels(D(real), D(fake), 0.05));
 *
 * @param realLogits [N, ...]
 * @param fakeLogits of the same shape
 * @param p in [0, 1]
 * @throws GanvasError ERR_SHAPE unless the shapes agree, ERR_ARGUMENT for a p outside [0, 1]
 */
export function flipLabels(
  realLogits: Tensor,
  fakeLogits: Tensor,
  p: number,
  { generator }: { generator?: Generator } = {},
): [real: Tensor, fake: Tensor] {
  assertSameShape('flipLabels', realLogits, fakeLogits);
  const flipped = bernoulli(
    realLogits.shape.map((size, axis) => (axis === 0 ? size : 1)),
    p,
    { generator },
  );
  return [where(flipped, fakeLogits, realLogits), where(flipped, realLogits, fakeLogits)];
}
