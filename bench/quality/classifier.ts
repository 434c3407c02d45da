// A small digit classifier trained with ganvas itself: the judge of generated digits. Not part of the library.

import { BatchLoader } from '../../src/data/loader.js';
import { HostRandom } from '../../src/data/random.js';
import {
  type Dataset,
  losses,
  nn,
  noGrad,
  optim,
  scope,
  softmax,
  type Tensor,
  tensor,
  valueAndGrad,
} from '../../src/index.js';

/** u8 [n, 28, 28, 1] to f32 in [-1, 1], on the device. */
export const toUnit = (images: Uint8Array): Tensor =>
  scope(() =>
    tensor(images, [images.length / 784, 28, 28, 1], 'u8')
      .cast('f32')
      .div(127.5)
      .sub(1),
  );

/** Convolutions 1-32-64 (k4 s2) and two dense layers with dropout: about 430,000 parameters. */
export function makeClassifier(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(1, 32, 4, { stride: 2, padding: 1, activation: 'relu' }),
    new nn.Conv2d(32, 64, 4, { stride: 2, padding: 1, activation: 'relu' }),
    new nn.Flatten(),
    new nn.Dropout(0.3),
    new nn.Linear(7 * 7 * 64, 128, { activation: 'relu' }),
    new nn.Dropout(0.3),
    new nn.Linear(128, 10),
  );
}

/** Trains on the images whose index is not a multiple of ten; returns accuracy on the others. */
export async function trainClassifier(net: nn.Sequential, data: Dataset, epochs: number): Promise<number> {
  const held = Int32Array.from({ length: data.length }, (_, i) => i).filter((i) => i % 10 === 0);
  const kept = Int32Array.from({ length: data.length }, (_, i) => i).filter((i) => i % 10 !== 0);
  const labels = Int32Array.from(data.labels!);
  const training: Dataset = {
    ...data,
    name: `${data.name} (training)`,
    length: kept.length,
    labels: kept.map((i) => labels[i]),
    height: 28,
    width: 28,
    channels: 1,
    batch: (indices, random) =>
      data.batch(
        indices.map((i) => kept[i]),
        random,
      ),
  };
  const loader = new BatchLoader(training, { batch: 64, seed: 1 });
  const adam = new optim.Adam(net.parameters(), { lr: 1e-3 });
  const steps = epochs * loader.batchesPerEpoch;
  net.train();
  for (let step = 0; step < steps; step++) {
    if (step === Math.floor(steps * 0.7)) adam.lr = 3e-4;
    const batch = await loader.next();
    await scope(async () => {
      const x = toUnit(batch.images);
      const y = tensor(batch.labels!, [64], 'i32');
      const { value, grads } = valueAndGrad(() => losses.crossEntropy(net.forward(x), y), net.parameters());
      adam.step(grads);
      if (step % 20 === 0) await value.item();
    });
  }
  loader.close();
  net.eval();
  const images = await data.batch(held, new HostRandom(0));
  const { classes } = await classify(net, images);
  return classes.filter((c, i) => c === labels[held[i]]).length / held.length;
}

/** Most probable class of each image, and its probability. */
export async function classify(
  net: nn.Sequential,
  images: Uint8Array,
): Promise<{ classes: number[]; confidence: number[] }> {
  const classes: number[] = [];
  const confidence: number[] = [];
  for (let start = 0; start < images.length; start += 250 * 784) {
    await scope(async () => {
      const p = noGrad(() => softmax(net.forward(toUnit(images.subarray(start, start + 250 * 784)))));
      classes.push(...(await p.argmax(1).data()));
      confidence.push(...(await p.max(1).data()));
    });
  }
  return { classes, confidence };
}
