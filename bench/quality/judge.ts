// The judge of generated digits: a classifier trained with ganvas on real ones. What it says of 2,000 samples: how they
// are spread over the digits, how sure it is, and how far its features lie from those of real digits. Judges images only;
// who made them, and for how long, is the callers' business.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Classifier, loadClassifier } from '../../src/classifier/load.js';
import { trainClassifier } from '../../src/classifier/train.js';
import type { Dataset } from '../../src/data/dataset.js';
import { HostRandom } from '../../src/data/random.js';
import { frechetDistance, noGrad, scope, softmax, tensor, toUnitRange } from '../../src/index.js';
import type { FeatureStatistics } from '../../src/metrics/frechet.js';

/** What is said of a set of samples. */
export interface Verdict {
  /** Share of each class among the samples. */
  shares: number[];
  /** Classes with at least a tenth of an equal share. */
  found: number;
  /** Mean probability of the most probable class. */
  confidence: number;
  /** exp E[KL(p(y|x) ‖ p(y))], at most the number of classes: the Inception Score's formula with this classifier. */
  score: number;
  /** Fréchet distance of the classifier's features from those of real images. */
  frechet: number;
  /** Share of samples of the class that was asked for, where one was. */
  asked?: number;
}

export interface Judge {
  readonly classifier: Classifier;
  /** Share of held-out real images that the classifier gets right. */
  readonly accuracy: number;
  verdict(pixels: Uint8Array, labels?: Int32Array): Promise<Verdict>;
}

const folder = join('build', 'quality');
const goodEnough = 0.97;
const imagesAtOnce = 250;

/** Probabilities of the classes, [n, classes], one after the other. */
export async function probabilitiesOf(
  { network, height, width, channels }: Classifier,
  pixels: Uint8Array,
): Promise<Float32Array> {
  const size = height * width * channels;
  const parts: Float32Array[] = [];
  for (let start = 0; start < pixels.length; start += imagesAtOnce * size) {
    const part = pixels.subarray(start, start + imagesAtOnce * size);
    parts.push(
      (await scope(() => {
        const images = toUnitRange(tensor(part, [part.length / size, height, width, channels]));
        return noGrad(() => softmax(network.forward(images))).data();
      })) as Float32Array,
    );
  }
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** exp E[KL(p(y|x) ‖ p(y))] of probabilities [n, classes]. */
export function classifierScore(probabilities: Float32Array, classes: number): number {
  const n = probabilities.length / classes;
  const marginal = new Float64Array(classes);
  for (let i = 0; i < probabilities.length; i++) marginal[i % classes] += probabilities[i] / n;
  let divergence = 0;
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i];
    if (p > 0) divergence += (p * Math.log(p / marginal[i % classes])) / n;
  }
  return Math.exp(divergence);
}

async function statisticsOf(classifier: Classifier, data: Dataset): Promise<FeatureStatistics> {
  const all = Int32Array.from({ length: data.length }, (_, i) => i);
  return classifier.statistics(await data.batch(all, new HostRandom(0)));
}

/** The judge of a data set, trained once and kept in build/quality. */
export async function openJudge(data: Dataset): Promise<Judge> {
  const run = join(folder, `judge-${data.name}`);
  if (!existsSync(join(run, 'checkpoints', 'latest'))) {
    await trainClassifier(data, { out: run, config: { seed: 7, device: 'cpu' } });
  }
  // A finished run that is resumed only measures itself again.
  const { accuracy = 0 } = await trainClassifier(data, { resume: run });
  if (accuracy < goodEnough) {
    throw new Error(`the judge finds ${(100 * accuracy).toFixed(1)} % of held-out images, too few to judge`);
  }
  const classifier = await loadClassifier(run, { device: 'cpu' });
  const real = await statisticsOf(classifier, data);
  const classes = classifier.classes.length;
  return {
    classifier,
    accuracy,
    async verdict(pixels, labels) {
      const probabilities = await probabilitiesOf(classifier, pixels);
      const n = probabilities.length / classes;
      const shares: number[] = new Array(classes).fill(0);
      let confidence = 0;
      let right = 0;
      for (let i = 0; i < n; i++) {
        const row = probabilities.subarray(i * classes, (i + 1) * classes);
        const best = row.indexOf(Math.max(...row));
        shares[best] += 1 / n;
        confidence += row[best] / n;
        if (labels && best === labels[i]) right += 1 / n;
      }
      const made = await classifier.statistics(pixels);
      return {
        shares,
        found: shares.filter((share) => share >= 0.1 / classes).length,
        confidence,
        score: classifierScore(probabilities, classes),
        frechet: await frechetDistance(real.mean, real.covariance, made.mean, made.covariance),
        ...(labels && { asked: right }),
      };
    },
  };
}
