// What unlabelled images are worth: the semi-supervised GAN against the same classifier trained on the
// labelled images alone, both measured on held-out digits. Not part of the library. Run it with
//   npx tsx bench/quality/semi-supervised.ts [labels 100] [steps 3000] [seed 0] [folder for the run] [JSON file]

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countRight } from '../../src/classifier/evaluate.js';
import { heldOutSplit } from '../../src/classifier/split.js';
import { HostRandom } from '../../src/data/random.js';
import {
  type Dataset,
  loadLabeller,
  losses,
  manualSeed,
  noGrad,
  openDataset,
  optim,
  scope,
  tensor,
  valueAndGrad,
} from '../../src/index.js';
import { SganDiscriminator } from '../../src/networks/sgan.js';
import { toUnitRange } from '../../src/train/batches.js';
import { LabelledImages } from '../../src/train/labelled.js';
import { trainRun } from '../../src/train/run.js';
import { record } from '../report.js';

const [labels = 100, steps = 3000, seed = 0] = process.argv.slice(2, 5).map(Number);
const out = process.argv[5] ?? join(await mkdtemp(join(tmpdir(), 'ganvas-sgan-')), 'run');
const batch = 64;
const imagesAtOnce = 500;

/** Share of the images whose class is found. */
async function accuracy(
  classify: (pixels: Uint8Array, n: number) => Promise<Int32Array>,
  data: Dataset,
): Promise<number> {
  let right = 0;
  for (let start = 0; start < data.length; start += imagesAtOnce) {
    const n = Math.min(imagesAtOnce, data.length - start);
    const indices = Int32Array.from({ length: n }, (_, i) => start + i);
    right += countRight(
      await classify(await data.batch(indices, new HostRandom(0)), n),
      indices.map((i) => data.labels![i]),
    );
  }
  return right / data.length;
}

/** The discriminator's classifier with the supervised part of its loss only, on the same labelled images. */
async function labelsAlone(training: Dataset, heldOut: Dataset): Promise<number> {
  manualSeed(seed);
  const { height, width, channels } = training;
  const classes = training.classes!.length;
  const dims = { height, width, channels };
  const labelled = new LabelledImages(labels, classes, dims);
  await labelled.fill(training, seed);
  const classifier = new SganDiscriminator(dims, { classes });
  const parameters = classifier.parameters();
  const adam = new optim.Adam(parameters, { lr: 1e-3, betas: [0.5, 0.999] });
  const rows = tensor(new Int32Array(batch), [batch]);
  for (let step = 0; step < steps; step++) {
    await scope(async () => {
      const { value, grads } = valueAndGrad(() => {
        const known = labelled.forward(rows);
        const logits = classifier.classLogits(classifier.features(known.images));
        return losses.crossEntropy(logits, known.labels);
      }, parameters);
      adam.step(grads);
      if (step % 20 === 0) await value.item();
    });
  }
  classifier.eval();
  const classify = async (pixels: Uint8Array, n: number) => {
    const found = scope(() => {
      const images = toUnitRange(tensor(pixels, [n, height, width, channels]));
      return noGrad(() => classifier.classify(images)).data();
    });
    return (await found) as Int32Array;
  };
  return accuracy(classify, heldOut);
}

const { training, heldOut } = heldOutSplit(await openDataset('mnist'));
console.log(`${training.length} images, ${labels} of them labelled; ${heldOut.length} held out`);
const alone = await labelsAlone(training, heldOut);
console.log(`the labelled images alone: ${(100 * alone).toFixed(2)} %`);
await trainRun({
  model: 'sgan',
  data: training,
  out,
  config: { labels, steps, seed, batch, saveEvery: steps },
  onEvent: (event) => {
    if (event.type === 'step' && event.step % 500 === 0) console.log(event.step, event.losses);
  },
});
const labeller = await loadLabeller(out);
const together = await accuracy(labeller.classify, heldOut);
console.log(`with all images, semi-supervised: ${(100 * together).toFixed(2)} %`);
console.log(`the run: ${out}`);
record(process.argv[6], `semi-supervised, ${labels} labels, seed ${seed}`, { steps, alone, together });
