// How well a trained classifier withstands attacks: its accuracy on held-out images before and under them, and some of the
// images to look at. What `ganvas attack` prints. The attacks themselves are attacks.ts.

import { countRight, forEachBatch, judge } from '../classifier/evaluate.js';
import { type Classifier, loadClassifier } from '../classifier/load.js';
import { classNames, heldOutSplit, subset } from '../classifier/split.js';
import type { Dataset } from '../data/dataset.js';
import { openSized } from '../data/open.js';
import { GanvasError } from '../errors.js';
import type { ImageBatch } from '../io/images.js';
import { assertCount } from '../nn/module.js';
import { div, sub, tensor } from '../tensor/ops/index.js';
import { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { fgsm, pgd } from './attacks.js';

export interface RobustnessOptions {
  /** What openDataset accepts, or a data set with the run's classes; its held-out images are attacked. Default: the run's. */
  data?: string | Dataset;
  /** How far a pixel may be moved, in (0, 1], where black is 0 and white 1. */
  eps: number;
  /** Steps of the iterated attack. Default 10. */
  steps?: number;
  /** α of the iterated attack, in units of eps's. Default 2.5 eps / steps. */
  stepSize?: number;
  /** Whether the iterated attack starts at a random point. Default false. */
  randomStart?: boolean;
  /** At most so many of the held-out images, spread evenly. Default: all. */
  images?: number;
  /** How many images to show. Default 10, at most as many as are attacked. */
  examples?: number;
  /** Of the random starts. Default 0. */
  seed?: number;
  /** Default 'auto'. */
  device?: string;
  signal?: AbortSignal;
  /** Told how many images have been attacked, at first and after every few. */
  onProgress?: (done: number, total: number) => void;
  onWarning?: (message: string) => void;
}

/** An image before and after the iterated attack: the names of its class and of the classes it is taken for. */
export interface AdversarialExample {
  label: string;
  before: string;
  after: string;
}

export interface Robustness {
  /** How many images were attacked; fewer than asked for when the signal aborted. */
  images: number;
  /** Shares of them whose class is found. */
  clean: number;
  fgsm: number;
  iterated: number;
  /** Three rows of as many images as there are examples: as they are; what the attack adds, ± eps being white and black; both. */
  grid: ImageBatch;
  examples: AdversarialExample[];
}

/** The data set's held-out images, `count` of them. Throws ERR_DATA unless its classes are the classifier's. */
function heldOutImages(data: Dataset, { classes }: Classifier, count: number): Dataset {
  const names = classNames(data);
  if (names.length !== classes.length || names.some((name, i) => name !== classes[i])) {
    const list = (all: readonly string[]) =>
      `${all.length} (${all.slice(0, 5).join(', ')}${all.length > 5 ? ', …' : ''})`;
    throw new GanvasError(
      'ERR_DATA',
      `${data.name}: expected the classes that the classifier knows, ${list(classes)}, got ${list(names)}`,
    );
  }
  const { heldOut } = heldOutSplit(data);
  return evenly(heldOut, count);
}

/** At most `count` images of a data set, the same distance apart. */
function evenly(data: Dataset, count: number): Dataset {
  const n = Math.min(count, data.length);
  const indices = Int32Array.from({ length: n }, (_, i) => Math.floor((i * data.length) / n));
  return subset(data, data.name, indices);
}

/**
 * Attacks the classifier of a run with fgsm and with the iterated method, on images it has not learnt from.
 * @throws GanvasError ERR_ARGUMENT for impossible options, ERR_DATA for data without classes or with other ones, and
 * whatever loadClassifier and openDataset throw
 */
export async function measureRobustness(
  runDirectory: string,
  options: RobustnessOptions,
): Promise<Robustness> {
  const { steps = 10, images = Number.MAX_SAFE_INTEGER, examples = 10, seed = 0, device } = options;
  if (!(options.eps > 0 && options.eps <= 1)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `measureRobustness: eps must be above 0 and at most 1, got ${String(options.eps)}`,
    );
  }
  assertCount(steps, 'measureRobustness: steps');
  assertCount(images, 'measureRobustness: images');
  assertCount(examples, 'measureRobustness: examples');
  const generator = new Generator(seed);
  const classifier = await loadClassifier(runDirectory, { device });
  try {
    const { height, width, channels, network, data = classifier.data } = { ...classifier, ...options };
    const opened = await openSized(data, { height, width, channels, flip: false }, options.onWarning);
    const attacked = heldOutImages(opened, classifier, images);
    // Pixels from 0 to 1 are values from -1 to 1.
    const eps = 2 * options.eps;
    const stepSize = options.stepSize === undefined ? undefined : 2 * options.stepSize;
    const { randomStart } = options;
    const iterate = (x: Tensor, labels: Tensor) =>
      steps === 1 && stepSize === undefined && !randomStart
        ? fgsm(network, x, labels, { eps })
        : pgd(network, x, labels, { eps, steps, stepSize, randomStart, generator });

    const right = { images: 0, clean: 0, fgsm: 0, iterated: 0 };
    options.onProgress?.(0, attacked.length);
    await forEachBatch(attacked, async (x, labels) => {
      if (options.signal?.aborted) return;
      const y = tensor(labels, [labels.length]);
      const count = async (at: Tensor) => countRight((await judge(network, at)).classes, labels);
      right.clean += await count(x);
      right.fgsm += await count(fgsm(network, x, y, { eps }));
      right.iterated += await count(iterate(x, y));
      right.images += labels.length;
      options.onProgress?.(right.images, attacked.length);
    });
    const share = (n: number) => n / right.images;
    return {
      images: right.images,
      clean: share(right.clean),
      fgsm: share(right.fgsm),
      iterated: share(right.iterated),
      ...(await show(classifier, evenly(attacked, examples), eps, iterate)),
    };
  } finally {
    classifier.dispose();
  }
}

async function show(
  { network, classes }: Classifier,
  data: Dataset,
  eps: number,
  attack: (x: Tensor, labels: Tensor) => Tensor,
): Promise<Pick<Robustness, 'grid' | 'examples'>> {
  const { height, width, channels, length: columns } = data;
  const rows: [Float32Array[], Float32Array[], Float32Array[]] = [[], [], []];
  const examples: AdversarialExample[] = [];
  await forEachBatch(data, async (x, labels) => {
    const fooling = attack(x, tensor(labels, [labels.length]));
    const added = div(sub(fooling, x), eps);
    for (const [row, images] of [x, added, fooling].entries())
      rows[row].push((await images.data()) as Float32Array);
    const [before, after] = [await judge(network, x), await judge(network, fooling)];
    labels.forEach((label, i) => {
      const [from, to] = [before.classes[i], after.classes[i]];
      examples.push({ label: classes[label], before: classes[from], after: classes[to] });
    });
  });
  const parts = rows.flat();
  const pixels = new Float32Array(3 * columns * height * width * channels);
  let position = 0;
  for (const part of parts) {
    pixels.set(part, position);
    position += part.length;
  }
  return { grid: { data: pixels, count: 3 * columns, height, width, channels }, examples };
}
