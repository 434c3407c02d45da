// What a trained classifier says of images: batch by batch, in evaluation mode, so that memory stays bounded.

import type { Dataset } from '../data/dataset.js';
import { HostRandom } from '../data/random.js';
import { noGrad } from '../tensor/autograd.js';
import { argmax, max, softmax, tensor } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { toUnitRange } from '../train/batches.js';
import type { ImageClassifier } from './network.js';

export const imagesAtOnce = 250;

export interface Judgement {
  /** The most probable class of each image. */
  classes: Int32Array;
  /** Its probability. */
  confidence: Float32Array;
}

/** Classes and probabilities of the images f32 [n, height, width, channels]. */
export async function judge(network: ImageClassifier, images: Tensor): Promise<Judgement> {
  const [classes, confidence] = scope(() => {
    const probabilities = noGrad(() => softmax(network.forward(images)));
    return [argmax(probabilities, 1).data(), max(probabilities, 1).data()] as const;
  });
  return { classes: (await classes) as Int32Array, confidence: (await confidence) as Float32Array };
}

/** Calls `visit` with the images of a labelled data set in order, as tensors that live until it returns. */
export async function forEachBatch(
  data: Dataset,
  visit: (images: Tensor, labels: Int32Array) => Promise<void>,
): Promise<void> {
  const { height, width, channels, length } = data;
  const random = new HostRandom(0);
  for (let start = 0; start < length; start += imagesAtOnce) {
    const indices = Int32Array.from({ length: Math.min(imagesAtOnce, length - start) }, (_, i) => start + i);
    const pixels = await data.batch(indices, random);
    const labels = indices.map((index) => data.labels![index]);
    await scope(() => visit(toUnitRange(tensor(pixels, [indices.length, height, width, channels])), labels));
  }
}

/** How many of the classes are those of the labels. */
export function countRight(classes: Int32Array, labels: Int32Array): number {
  return classes.reduce((count, c, i) => count + (c === labels[i] ? 1 : 0), 0);
}

/** Share of the images of a labelled data set whose class is found; the network is left in training mode. */
export async function accuracyOf(network: ImageClassifier, data: Dataset): Promise<number> {
  let right = 0;
  try {
    network.eval();
    await forEachBatch(data, async (images, labels) => {
      right += countRight((await judge(network, images)).classes, labels);
    });
  } finally {
    network.train();
  }
  return right / data.length;
}
