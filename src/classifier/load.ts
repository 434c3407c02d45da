// A trained classifier from its run directory, for use: classes of images, and the statistics of its features.

import { type DeviceName, device as selectDevice } from '../device.js';
import { GanvasError } from '../errors.js';
import { type FeatureStatistics, featureStatistics, mergeStatistics } from '../metrics/frechet.js';
import { noGrad } from '../tensor/autograd.js';
import { tensor } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { toUnitRange } from '../train/batches.js';
import { loadWeights } from '../train/checkpoint.js';
import { RunDirectory } from '../train/run-directory.js';
import { readClassifierRun } from './config.js';
import { imagesAtOnce, type Judgement, judge } from './evaluate.js';
import { ImageClassifier } from './network.js';

/** A trained classifier. */
export interface Classifier {
  /** Images f32 [n, height, width, channels] in [-1, 1] → logits; in evaluation mode. */
  readonly network: ImageClassifier;
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** What it was trained on, as openDataset takes it or as the data set was called. */
  readonly data: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** The most probable classes of pixels u8 [n, height, width, channels]. Throws ERR_SHAPE unless these are n images. */
  classify(pixels: Uint8Array): Promise<Judgement>;
  /**
   * Mean and covariance of the features of pixels u8 [n, height, width, channels], n >= 2: two of them give a Fréchet
   * distance. Throws ERR_SHAPE unless these are n images.
   */
  statistics(pixels: Uint8Array): Promise<FeatureStatistics>;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * The classifier of a run's latest checkpoint.
 * @throws GanvasError ERR_FILE_IO, ERR_CHECKPOINT or ERR_FILE_FORMAT when the run cannot be read, ERR_CONFIG when it is
 * no classifier's, ERR_CUDA_UNAVAILABLE
 */
export async function loadClassifier(
  runDirectory: string,
  { device = 'auto' }: { device?: string } = {},
): Promise<Classifier> {
  selectDevice(device as DeviceName);
  const directory = await RunDirectory.open(runDirectory);
  const { data, classes, config } = await readClassifierRun(directory);
  const { height, width, channels, baseWidth, dropout } = config;
  if (height === null || width === null || channels === null) {
    throw new GanvasError(
      'ERR_CONFIG',
      `${runDirectory}/config.json: height, width and channels must be given`,
    );
  }
  const { weights } = await directory.loadCheckpoint();
  const network = new ImageClassifier(
    { height, width, channels, classes: classes.length },
    { baseWidth, dropout },
  ).eval();
  loadWeights(network, weights, 'classifier');

  const size = [height, width, channels] as const;
  const imageSize = height * width * channels;
  async function forEachPart(pixels: Uint8Array, least: number, visit: (images: Tensor) => Promise<void>) {
    const count = pixels.length / imageSize;
    if (!Number.isSafeInteger(count) || count < least) {
      throw new GanvasError(
        'ERR_SHAPE',
        `expected at least ${least} images of ${height} x ${width} x ${channels}, got ${pixels.length} bytes`,
      );
    }
    // Even parts: statistics need two images, and a remainder could be one.
    const parts = Math.max(1, Math.floor(count / imagesAtOnce));
    for (let part = 0; part < parts; part++) {
      const [start, end] = [part, part + 1].map((p) => Math.floor((p * count) / parts));
      const bytes = pixels.subarray(start * imageSize, end * imageSize);
      await scope(() => visit(toUnitRange(tensor(bytes, [end - start, ...size]))));
    }
  }

  return {
    network,
    classes,
    data,
    height,
    width,
    channels,
    async classify(pixels) {
      const found: Judgement[] = [];
      await forEachPart(pixels, 1, async (images) => {
        found.push(await judge(network, images));
      });
      return {
        classes: Int32Array.from(found.flatMap((part) => [...part.classes])),
        confidence: Float32Array.from(found.flatMap((part) => [...part.confidence])),
      };
    },
    async statistics(pixels) {
      let all: FeatureStatistics | undefined;
      await forEachPart(pixels, 2, async (images) => {
        const part = await featureStatistics(noGrad(() => network.features(images)));
        all = all === undefined ? part : mergeStatistics(all, part);
      });
      return all!;
    },
    dispose: () => network.dispose(),
  };
}
