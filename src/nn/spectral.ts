// Spectral normalisation as a property of a layer (Miyato et al. 2018), with the semantics of PyTorch's
// torch.nn.utils.parametrizations.spectral_norm: the layer's weight becomes W / σ, σ being estimated by power iteration
// whose state is saved. The gradient flows through W and σ; the singular vectors are constants.

import { GanvasError } from '../errors.js';
import { noGrad } from '../tensor/autograd.js';
import { mul, randn, rsqrt, square, sum } from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { spectralNorm as normalise, powerIteration } from '../tensor/ops/spectral.js';
import type { Generator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import { type AnyModule, assertCount, buffer, Module } from './module.js';

export interface SpectralNormOptions {
  /** Power iterations per forward pass in training. Default 1. */
  iterations?: number;
  /** Least norm of a vector before it is normalised. Default 1e-12. */
  eps?: number;
  /** Whether the outputs are the weight's last dimension. Default: as the layer says; true for transposed convolutions. */
  transposed?: boolean;
  /** What the first vectors are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/** A layer that spectralNorm can be applied to. */
export interface SpectralLayer extends AnyModule {
  readonly weight: Tensor;
  /** Whether the outputs are the weight's last dimension, as in transposed convolutions. */
  readonly outputsLast?: boolean;
}

/** Iterations with which the first estimate is made, as in PyTorch. */
const firstIterations = 15;

const unitVector = (size: number, generator?: Generator): Tensor =>
  scope(() => {
    const x = randn([size], { generator });
    return mul(x, rsqrt(sum(square(x))));
  });

/** The state that spectralNorm adds to a layer: the weight itself and its first singular vectors. */
export class SpectralWeight extends Module {
  /** The weight before normalisation: what is trained. */
  readonly weight: Tensor;
  /** Singular vector of the outputs. */
  readonly u: Tensor;
  /** Singular vector of the inputs. */
  readonly v: Tensor;
  readonly transposed: boolean;
  readonly iterations: number;
  readonly eps: number;
  /** Whether forward() iterates by itself in training; spectralStep turns it off. */
  automatic = true;

  constructor(weight: Tensor, options: SpectralNormOptions) {
    super();
    const { iterations = 1, eps = 1e-12, transposed = false, generator } = options;
    assertCount(iterations, 'spectralNorm: iterations');
    this.iterations = iterations;
    this.eps = eps;
    this.transposed = transposed;
    this.weight = weight;
    const outputs = transposed ? weight.shape[weight.rank - 1] : weight.shape[0];
    this.u = buffer(unitVector(outputs, generator));
    this.v = buffer(unitVector(weight.size / outputs, generator));
    scope(() => {
      iterate([this], firstIterations);
    });
  }

  /** W / σ. In training, the vectors are improved first. */
  forward(): Tensor {
    return scope(() => {
      const [[u, v]] =
        this.training && this.automatic ? iterate([this], this.iterations) : [[this.u, this.v]];
      return normalise(this.weight, this.transposed ? v : u, this.transposed ? u : v)[0];
    });
  }
}

/**
 * Improves the vectors of all weights in one call and stores them. Returns the new ones as tensors of their own: a
 * gradient being recorded must see those of its own forward pass, whatever later passes store.
 */
function iterate(weights: SpectralWeight[], iterations: number): [u: Tensor, v: Tensor][] {
  return noGrad(() => {
    const found = powerIteration(weights, { iterations, eps: weights[0].eps });
    assign(
      weights.flatMap(({ u, v }) => [u, v]),
      found.flat(),
    );
    return found;
  });
}

/**
 * Divides the layer's weight by an estimate of its largest singular value, from now on: `layer.weight` becomes W / σ,
 * and the layer gets a child `spectral` with W, u and v, which stateDict() and parameters() see instead.
 *
 * Each use of the weight in training makes one power iteration first; in evaluation the stored vectors are used. Returns
 * the layer. Layers made with `spectralNorm: true` have this done already.
 *
 * @throws GanvasError ERR_ARGUMENT unless the layer has a weight of two or more dimensions that is not normalised yet
 */
export function spectralNorm<L extends SpectralLayer>(layer: L, options: SpectralNormOptions = {}): L {
  const { weight } = Object.getOwnPropertyDescriptor(layer, 'weight')?.get ? {} : layer;
  if (!(weight instanceof Tensor) || weight.rank < 2) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `spectralNorm: ${layer.constructor.name} has no weight of two or more dimensions that is not normalised yet`,
    );
  }
  const { transposed = layer.outputsLast ?? false } = options;
  const spectral = new SpectralWeight(weight, { ...options, transposed });
  spectral.training = layer.training;
  Object.defineProperty(layer, 'spectral', { value: spectral, enumerable: true });
  // Not enumerable: a module looks for its parameters among its enumerable properties.
  Object.defineProperty(layer, 'weight', {
    get: () => spectral.forward(),
    enumerable: false,
    configurable: true,
  });
  return layer;
}

/**
 * Makes one power iteration (or `iterations`) for every spectrally normalised weight in the network, all in one kernel
 * call. From then on forward passes leave the vectors alone: call this once per training step, before them. That is what
 * the paper asks for, where a step has several passes, and spares a call per layer and pass.
 */
export function spectralStep(network: AnyModule, iterations = 1): void {
  assertCount(iterations, 'spectralStep: iterations');
  const weights = network.modules().filter((m): m is SpectralWeight => m instanceof SpectralWeight);
  for (const weight of weights) weight.automatic = false;
  const byEps = new Map<number, SpectralWeight[]>();
  for (const weight of weights) byEps.set(weight.eps, [...(byEps.get(weight.eps) ?? []), weight]);
  scope(() => {
    for (const group of byEps.values()) iterate(group, iterations);
  });
}
