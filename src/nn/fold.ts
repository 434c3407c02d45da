// Folding for inference: batch normalisation in evaluation is an affine map per channel, so it disappears into the weight
// and bias of the layer before it, and its activation into that layer's last step. For generators that are done learning.

import { noGrad } from '../tensor/autograd.js';
import { broadcastTo, concat, reshape } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Shape, Tensor } from '../tensor/tensor.js';
import type { ActivationOptions } from './activation.js';
import { Convolution } from './conv.js';
import { Linear } from './linear.js';
import { buffer, Module } from './module.js';
import { BatchNorm } from './norm.js';
import { Reshape } from './reshape.js';
import { Sequential } from './sequential.js';

type Foldable = Convolution | Linear;

/** A layer with a batch norm in it: act(layer with W scaled per output, + b). Its tensors are its own. */
class Folded extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly #layer: Foldable;
  readonly #activation: Required<ActivationOptions>;

  constructor(layer: Foldable, norm: BatchNorm) {
    super();
    const { scale, shift, activation } = norm.inferenceAffine();
    const outputs = outputsOf(layer);
    const [wide, offset] = [scale, shift].map((t) => perOutput(t, outputs));
    this.#layer = layer;
    this.#activation = activation;
    this.weight = buffer(scaleOutputs(layer, wide));
    this.bias = buffer(layer.bias ? layer.bias.mul(wide).add(offset) : offset);
  }

  forward(x: Tensor): Tensor {
    return this.#layer.forwardWith(x, this.weight, this.bias, this.#activation);
  }
}

const outputsLast = (layer: Foldable): boolean => layer instanceof Convolution && layer.outputsLast;

function outputsOf(layer: Foldable): number {
  const { weight } = layer;
  return outputsLast(layer) ? weight.shape[weight.rank - 1] * groupsOf(layer) : weight.shape[0];
}

const groupsOf = (layer: Foldable): number => (layer instanceof Convolution ? layer.groups : 1);

/** One number per output from one per channel: a linear layer may give several pixels, channels last. */
function perOutput(t: Tensor, outputs: number): Tensor {
  const [channels] = t.shape;
  return reshape(broadcastTo(t, [outputs / channels, channels]), [outputs]);
}

/** W with each output's part multiplied by its factor. */
function scaleOutputs(layer: Foldable, factors: Tensor): Tensor {
  const { weight } = layer;
  const ones: Shape = Array(weight.rank - 1).fill(1);
  if (!outputsLast(layer)) return weight.mul(reshape(factors, [-1, ...ones]));
  // [inC, ..., outC / groups]: each group of inputs has outputs of its own.
  const groups = groupsOf(layer);
  const [first, last] = [weight.shape[0] / groups, weight.shape[weight.rank - 1]];
  const parts = Array.from({ length: groups }, (_, g) =>
    weight
      .slice([g * first, ...ones.map(() => 0)], [first, ...weight.shape.slice(1)])
      .mul(reshape(factors.slice([g * last], [last]), [...ones, last])),
  );
  return parts.length === 1 ? parts[0] : concat(parts, 0);
}

const foldable = (layer: Module): layer is Foldable =>
  (layer instanceof Convolution || layer instanceof Linear) && layer.activation.activation === 'none';

/** Whether a batch norm behind `layer`, and behind a Reshape after it, scales whole outputs of the layer. */
function folds(layer: Foldable, between: Reshape | undefined, norm: BatchNorm): boolean {
  if (!between) return true;
  const channels = norm.weight.shape[0];
  return layer instanceof Linear && outputsOf(layer) % channels === 0;
}

/**
 * A network for inference that computes what `network` computes in evaluation, up to rounding: each batch norm behind a
 * convolution, a transposed one or a linear layer without activation is folded into that layer. The result has weights
 * of its own where something was folded and shares the other layers; it does not follow later training.
 *
 *     const images = noGrad(() => foldBatchNorm(generator).forward(z));
 *
 * @param network sequences in it are folded too; other layers are taken as they are, in evaluation mode
 */
export function foldBatchNorm(network: Sequential): Sequential {
  return scope(() => noGrad(() => fold(network)));
}

function fold(network: Sequential): Sequential {
  const layers: Module[] = [];
  for (let i = 0; i < network.layers.length; i++) {
    const layer = network.layers[i];
    const next = network.layers[i + 1];
    const between = next instanceof Reshape ? next : undefined;
    const norm = between ? network.layers[i + 2] : next;
    if (layer instanceof Sequential) {
      layers.push(fold(layer));
    } else if (foldable(layer) && norm instanceof BatchNorm && folds(layer, between, norm)) {
      layers.push(new Folded(layer, norm), ...(between ? [between] : []));
      i += between ? 2 : 1;
    } else {
      layers.push(layer);
    }
  }
  return new Sequential(...layers).eval();
}
