// A small convolutional classifier for images of any size: the subject of adversarial examples and, with its features, a
// judge of generated images. The network only; its training is train.ts.

import { GanvasError } from '../errors.js';
import type { ImageDims } from '../networks/dims.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { kaimingNormal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { assertCount, Module } from '../nn/module.js';
import { Flatten } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import type { Tensor } from '../tensor/tensor.js';

export interface ImageClassifierOptions {
  /** Channels of the first layer; doubles with each halving, up to 8 times. Default 32. */
  baseWidth?: number;
  /** Probability of dropout before each of the two dense layers. Default 0.3. */
  dropout?: number;
}

const mostMultiple = 8;
const longestLastSide = 7;
const relu = { activation: 'relu', weightInit: kaimingNormal(), biasInit: zeros } as const;
const halving = { stride: 2, padding: 2, ...relu } as const;

/**
 * Convolutions of 5 x 5 with stride 2 (sides halved, rounding up) until no side exceeds 7, then dropout, a dense layer of
 * 4 · baseWidth units, dropout and the logits; ReLU throughout, weights as He et al. (2015). Without normalisation, so
 * that an image's logits depend on it alone, in training too. At 28 x 28 x 1 and 10 classes: 454,922 parameters.
 */
export class ImageClassifier extends Module {
  /** Numbers per image that features() gives. */
  readonly featureSize: number;
  readonly body: Sequential;
  readonly output: Sequential;

  /** @throws GanvasError ERR_ARGUMENT unless sizes are positive integers, dropout in [0, 1) and classes at least 2 */
  constructor(dims: ImageDims, { baseWidth = 32, dropout = 0.3 }: ImageClassifierOptions = {}) {
    super();
    const { channels, classes } = dims;
    for (const key of ['height', 'width', 'channels'] as const)
      assertCount(dims[key], `ImageClassifier: ${key}`);
    assertCount(baseWidth, 'ImageClassifier: baseWidth');
    if (classes === undefined) {
      throw new GanvasError('ERR_ARGUMENT', 'ImageClassifier: expected images with classes, got none');
    }
    assertCount(classes, 'ImageClassifier: classes', 2);
    const layers: Module[] = [];
    let [height, width, depth] = [dims.height, dims.width, channels];
    for (let halvings = 0; halvings === 0 || Math.max(height, width) > longestLastSide; halvings++) {
      const next = baseWidth * Math.min(mostMultiple, 2 ** halvings);
      layers.push(new Conv2d(depth, next, 5, halving));
      [height, width, depth] = [Math.ceil(height / 2), Math.ceil(width / 2), next];
    }
    this.featureSize = 4 * baseWidth;
    this.body = new Sequential(
      ...layers,
      new Flatten(),
      new Dropout(dropout),
      new Linear(height * width * depth, this.featureSize, relu),
    );
    this.output = new Sequential(
      new Dropout(dropout),
      new Linear(this.featureSize, classes, { weightInit: kaimingNormal(), biasInit: zeros }),
    );
  }

  /** What the last layer sees: images [n, height, width, channels] → [n, featureSize]. */
  features(x: Tensor): Tensor {
    return this.body.forward(x);
  }

  /** Logits [n, classes]. */
  forward(x: Tensor): Tensor {
    return this.output.forward(this.features(x));
  }
}
