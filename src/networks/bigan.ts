// The networks of BiGAN (Donahue et al. 2017, section 4; Dumoulin et al. 2017 found the same under the name
// ALI): an encoder, and a discriminator that judges an image and a latent together. On MNIST perceptrons; for
// other images the convolutions of DCGAN may come first.

import { Linear } from '../nn/linear.js';
import { type AnyModule, assertCount, Module } from '../nn/module.js';
import { BatchNorm1d } from '../nn/norm.js';
import { Flatten, Reshape } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import { concat, reshape } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { dcganBody, dcganGenerator } from './dcgan.js';
import type { ImageDims } from './dims.js';

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;
const relu = { activation: 'relu' } as const;

/** What reads images, and makes them. */
export const biganKinds = ['perceptron', 'convolution'] as const;

export interface BiganOptions {
  /** Default 'perceptron'. */
  kind?: (typeof biganKinds)[number];
  /** Units of the fully connected layers. Default 1024. */
  hidden?: number;
  /** Of the convolutions; see dcganBody. Default 32. */
  baseWidth?: number;
}

type Filled = Required<BiganOptions>;

const filled = ({ kind = 'perceptron', hidden = 1024, baseWidth = 32 }: BiganOptions): Filled => {
  assertCount(hidden, 'bigan: hidden');
  return { kind, hidden, baseWidth };
};

/** Images → numbers, [n, size]: as they are, or behind DCGAN's convolutions. */
function reader(dims: ImageDims, { kind, baseWidth }: Filled): { body: Module; size: number } {
  const { height, width, channels } = dims;
  if (kind === 'perceptron') return { body: new Flatten(), size: height * width * channels };
  const { body, featureSize } = dcganBody(dims, { baseWidth });
  return { body: new Sequential(body, new Flatten()), size: featureSize };
}

/** Two fully connected layers with leaky ReLU, the second normalised. */
const hiddenLayers = (inputs: number, hidden: number): Module[] => [
  new Linear(inputs, hidden, leaky),
  new Linear(hidden, hidden, { bias: false }),
  new BatchNorm1d(hidden, leaky),
];

/**
 * Latents [n, zSize] → images [n, height, width, channels] in [-1, 1]: two normalised hidden layers with
 * ReLU, or DCGAN's generator.
 */
export function biganGenerator(dims: ImageDims, zSize: number, options: BiganOptions = {}): Sequential {
  const { kind, hidden, baseWidth } = filled(options);
  if (kind === 'convolution') return dcganGenerator(dims, zSize, { baseWidth });
  const { height, width, channels } = dims;
  const block = (from: number): Module[] => [
    new Linear(from, hidden, { bias: false }),
    new BatchNorm1d(hidden, relu),
  ];
  return new Sequential(
    ...block(zSize),
    ...block(hidden),
    new Linear(hidden, height * width * channels, { activation: 'tanh' }),
    new Reshape([height, width, channels]),
  );
}

/** E: images [n, height, width, channels] → latents [n, zSize], unbounded. */
export function biganEncoder(dims: ImageDims, zSize: number, options: BiganOptions = {}): Sequential {
  const all = filled(options);
  const { body, size } = reader(dims, all);
  return new Sequential(body, ...hiddenLayers(size, all.hidden), new Linear(all.hidden, zSize));
}

/** D(x, z): images [n, height, width, channels] and latents [n, zSize] → logits [n, 1]. */
export class JointDiscriminator extends Module {
  readonly body: AnyModule;
  readonly layers: Sequential;

  /**
   * @throws GanvasError ERR_CONFIG for sizes that DCGAN's convolutions refuse, ERR_ARGUMENT for impossible
   * options
   */
  constructor(dims: ImageDims, zSize: number, options: BiganOptions = {}) {
    super();
    const all = filled(options);
    const { body, size } = reader(dims, all);
    this.body = body;
    this.layers = new Sequential(...hiddenLayers(size + zSize, all.hidden), new Linear(all.hidden, 1));
  }

  forward(x: Tensor, z: Tensor): Tensor {
    const seen = reshape(this.body.forward(x) as Tensor, [x.shape[0], -1]);
    return this.layers.forward(concat([seen, z], 1));
  }
}
