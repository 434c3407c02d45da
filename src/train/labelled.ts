// The few labelled images of semi-supervised training, on the device: chosen once, then part of the run's
// state, so that a run that is continued has the same ones.

import type { Dataset } from '../data/dataset.js';
import { HostRandom } from '../data/random.js';
import { GanvasError } from '../errors.js';
import type { ImageDims } from '../networks/dims.js';
import { assertCount, buffer, Module } from '../nn/module.js';
import { gather, randint, tensor, zeros } from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { toUnitRange } from './batches.js';

/** Of the random numbers of one seed, those that choose; the loader has streams 1 and 2. */
const choiceStream = 3;

/**
 * Which images of a data set are taken for labelled: as many of each class, one more of the first classes
 * where `count` is no multiple; drawn at random, the same for the same seed. In the order of the classes.
 * @throws GanvasError ERR_DATA when there are no labels, or too few images of a class
 */
export function chooseLabelled(data: Dataset, count: number, classes: number, seed: number): Int32Array {
  const { labels, name } = data;
  if (labels === undefined) {
    throw new GanvasError('ERR_DATA', `${name}: expected images with labels, got none`);
  }
  const order = new HostRandom(seed, choiceStream).permutation(data.length);
  return Int32Array.from(
    Array.from({ length: classes }, (_, c) => {
      const wanted = Math.floor(count / classes) + (c < count % classes ? 1 : 0);
      const found = order.filter((index) => labels[index] === c).slice(0, wanted);
      if (found.length === wanted) return [...found];
      throw new GanvasError(
        'ERR_DATA',
        `${name}: ${count} labelled images of ${classes} classes take ${wanted} of class ${c}, which has ` +
          `${found.length}`,
      );
    }).flat(),
  );
}

/** Images that draws are made from, with their labels. Empty until fill(). */
export class LabelledImages extends Module<{ images: Tensor; labels: Tensor }> {
  /** [count, H, W, C] in [-1, 1]. */
  readonly images: Tensor;
  /** i32 [count]. */
  readonly labels: Tensor;
  readonly count: number;
  readonly #classes: number;

  /** @throws GanvasError ERR_CONFIG unless there is an image for each class */
  constructor(count: number, classes: number, { height, width, channels }: ImageDims) {
    super();
    assertCount(count, 'LabelledImages: count');
    if (count < classes) {
      throw new GanvasError(
        'ERR_CONFIG',
        `expected at least one labelled image for each of the ${classes} classes, got ${count}`,
      );
    }
    this.count = count;
    this.#classes = classes;
    this.images = buffer(zeros([count, height, width, channels]));
    this.labels = buffer(zeros([count], 'i32'));
  }

  /** Chooses them from a data set. Throws as chooseLabelled. */
  async fill(data: Dataset, seed: number): Promise<void> {
    const { labels: known, height, width, channels } = data;
    const chosen = chooseLabelled(data, this.count, this.#classes, seed);
    const pixels = await data.batch(chosen, new HostRandom(seed, choiceStream, 1));
    scope(() => {
      const images = toUnitRange(tensor(pixels, [this.count, height, width, channels]));
      const labels = tensor(
        chosen.map((index) => known![index]),
        [this.count],
      );
      assign(this.images, images);
      assign(this.labels, labels);
    });
  }

  /** As many images as `like` has rows, drawn with repetition, and their labels. */
  forward(like: Tensor): { images: Tensor; labels: Tensor } {
    const drawn = randint([like.shape[0]], 0, this.count);
    return { images: gather(this.images, drawn), labels: gather(this.labels, drawn) };
  }
}
