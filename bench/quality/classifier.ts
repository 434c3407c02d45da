// The judge of generated images: ganvas's classifier, trained on the images that the generator imitates. It says which
// classes samples are of, how surely, and how far their features are from those of real images.

import { join } from 'node:path';
import { type Classifier, loadClassifier } from '../../src/classifier/load.js';
import { heldOutSplit } from '../../src/classifier/split.js';
import { trainClassifier } from '../../src/classifier/train.js';
import type { Dataset } from '../../src/data/dataset.js';
import { HostRandom } from '../../src/data/random.js';
import { type FeatureStatistics, frechetDistance } from '../../src/metrics/frechet.js';

export interface Judge {
  classifier: Classifier;
  /** On the images held out from its training. */
  accuracy: number;
  /** The features of those images. */
  real: FeatureStatistics;
}

/** Trains a judge, with its run in `folder`. */
export async function trainJudge(data: Dataset, folder: string): Promise<Judge> {
  const { runDirectory, accuracy } = await trainClassifier(data, { out: join(folder, 'judge') });
  const classifier = await loadClassifier(runDirectory);
  const { heldOut } = heldOutSplit(data);
  const all = Int32Array.from({ length: heldOut.length }, (_, i) => i);
  const real = await classifier.statistics(await heldOut.batch(all, new HostRandom(0)));
  return { classifier, accuracy: accuracy!, real };
}

export interface Verdict {
  /** Share of the samples in each class. */
  shares: number[];
  /** Mean probability of the most probable class. */
  confidence: number;
  /** Fréchet distance, squared, of the classifier's features to those of real images. */
  frechet: number;
}

/** What the judge says of samples, u8 [n, height, width, channels]. */
export async function judgeSamples({ classifier, real }: Judge, pixels: Uint8Array): Promise<Verdict> {
  const { classes, confidence } = await classifier.classify(pixels);
  const generated = await classifier.statistics(pixels);
  return {
    shares: classifier.classes.map((_, c) => classes.filter((found) => found === c).length / classes.length),
    confidence: confidence.reduce((sum, p) => sum + p, 0) / confidence.length,
    frechet: await frechetDistance(real.mean, real.covariance, generated.mean, generated.covariance),
  };
}
