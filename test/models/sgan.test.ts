// The semi-supervised GAN: its discriminator's arithmetic, the choice of labelled images, and runs that use
// no other label.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import { modelEntry } from '../../src/models/registry.js';
import { GaussianNoise, logSumExp, SganDiscriminator, sganGenerator } from '../../src/networks/sgan.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { ones, rand, randn, sigmoid, softmax, tensor } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { loadEncoder, loadLabeller } from '../../src/train/encoder.js';
import { chooseLabelled, LabelledImages } from '../../src/train/labelled.js';
import { trainRun } from '../../src/train/run.js';
import { loadNetwork, openRun } from '../../src/train/saved-run.js';
import { checkpointBytes, metricsOf, temporaryFolder } from '../train/helpers.js';

const code = (c: string) => expect.objectContaining({ code: c });
const folder = await temporaryFolder();
const classes = ['a', 'b', 'c'];

/** 36 noisy images of 6 x 5 pixels in three classes; the label of image i is `labelOf(i)`. */
function data(labelOf = (i: number) => i % 3) {
  const random = new HostRandom(1);
  const images = Uint8Array.from({ length: 36 * 30 }, () => random.below(256));
  const labels = Int32Array.from({ length: 36 }, (_, i) => labelOf(i));
  return memoryDataset({ name: 'tiny', images, height: 6, width: 5, channels: 1, labels, classes });
}

const config = { batch: 4, hidden: 6, zSize: 5, labels: 7, samples: 4, seed: 3, device: 'cpu' };

describe('the discriminator', () => {
  test('logSumExp is exact and does not overflow; its gradient is softmax', () =>
    scope(async () => {
      const x = tensor([1000, 1000, -2, 3, -1000, -1001], [3, 2]);
      const got = await logSumExp(x).data();
      const want = [1000 + Math.log(2), 3 + Math.log1p(Math.exp(-5)), -1000 + Math.log1p(Math.exp(-1))];
      want.forEach((v, i) => {
        expect(Math.abs(got[i] - v) / Math.abs(v)).toBeLessThan(1e-6);
      });
      const { grads } = valueAndGrad(() => logSumExp(x).sum(), [x]);
      const soft = await softmax(x).data();
      (await grads[0].data()).forEach((g, i) => {
        expect(g).toBeCloseTo(soft[i], 6);
      });
    }));

  test('D(x) is Z / (Z + 1), Z the sum of e to the power of the class logits', () =>
    scope(async () => {
      const d = new SganDiscriminator({ height: 4, width: 4, channels: 1 }, { classes: 5, hidden: 4 }).eval();
      const features = d.features(rand([3, 4, 4, 1]));
      const logits = Array.from(await d.classLogits(features).data());
      const scores = await sigmoid(d.head(features)).data();
      scores.forEach((score, i) => {
        const z = logits.slice(5 * i, 5 * i + 5).reduce((sum, l) => sum + Math.exp(l), 0);
        expect(score).toBeCloseTo(z / (z + 1), 6);
      });
    }));

  test.each([
    { height: 7, width: 5, channels: 4, batch: 1 },
    { height: 1, width: 1, channels: 1, batch: 2 },
    { height: 28, width: 30, channels: 3, batch: 3 },
  ])('$height x $width x $channels, batch $batch', ({ batch, ...dims }) =>
    scope(async () => {
      const d = new SganDiscriminator(dims, { classes: 2, hidden: 3 });
      const images = sganGenerator(dims, 4, { hidden: 3 }).forward(randn([batch, 4]));
      expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
      for (const v of await images.data()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
      expect(d.features(images).shape).toEqual([batch, 2]);
      expect(d.forward(images).shape).toEqual([batch, 1]);
      d.eval();
      const found = d.classify(images);
      expect([found.dtype, found.shape]).toEqual(['i32', [batch]]);
      const logits = await d.classLogits(d.features(images)).data();
      (await found.data()).forEach((c, i) => {
        expect(c).toBe(logits[2 * i] >= logits[2 * i + 1] ? 0 : 1);
      });
    }),
  );

  test('noise is there in training only', () =>
    scope(async () => {
      const noise = new GaussianNoise(0.5);
      const x = ones([4000]);
      const noisy = Array.from(await noise.forward(x).data(), (v) => v - 1);
      expect(noisy.reduce((sum, v) => sum + v * v, 0) / noisy.length).toBeCloseTo(0.25, 1);
      expect(noise.eval().forward(x)).toBe(x);
      expect(() => new GaussianNoise(-1)).toThrow(code('ERR_ARGUMENT'));
      const build = () => new SganDiscriminator({ height: 2, width: 2, channels: 1 }, { classes: 1 });
      expect(build).toThrow(code('ERR_ARGUMENT'));
    }));
});

describe('the labelled images', () => {
  test('are as many of each class, the same for the same seed', () => {
    const chosen = chooseLabelled(data(), 7, 3, 5);
    expect(Array.from(chosen, (i) => i % 3)).toEqual([0, 0, 0, 1, 1, 2, 2]);
    expect(new Set(chosen).size).toBe(7);
    expect(chooseLabelled(data(), 7, 3, 5)).toEqual(chosen);
    expect(chooseLabelled(data(), 7, 3, 6)).not.toEqual(chosen);
    expect([...chooseLabelled(data(), 36, 3, 5)].sort((a, b) => a - b)).toEqual([...Array(36).keys()]);
  });

  test('are refused where there are too few', () => {
    expect(() => chooseLabelled(data(), 39, 3, 0)).toThrow(/take 13 of class 0, which has 12/);
    expect(() => chooseLabelled(data(), 39, 3, 0)).toThrow(code('ERR_DATA'));
    const unlabelled = { ...data(), labels: undefined };
    expect(() => chooseLabelled(unlabelled, 3, 3, 0)).toThrow(/expected images with labels/);
    const make = () => new LabelledImages(2, 3, { height: 6, width: 5, channels: 1 });
    expect(make).toThrow(code('ERR_CONFIG'));
    expect(make).toThrow(/at least one labelled image for each of the 3 classes, got 2/);
  });

  test('are drawn with their own labels', () =>
    scope(async () => {
      manualSeed(2);
      const source = data();
      const labelled = new LabelledImages(7, 3, source as never);
      await labelled.fill(source, 5);
      const chosen = chooseLabelled(source, 7, 3, 5);
      const pixels = await source.batch(chosen, new HostRandom(0));
      const images = Array.from({ length: 7 }, (_, i) =>
        Array.from(pixels.slice(30 * i, 30 * i + 30), (v) => Math.fround(v / 127.5 - 1).toFixed(5)).join(),
      );
      const { images: drawn, labels } = labelled.forward(ones([50, 1]));
      const [values, classesOfThem] = [await drawn.data(), await labels.data()];
      const seen = new Set<number>();
      for (let i = 0; i < 50; i++) {
        const image = Array.from(values.slice(30 * i, 30 * i + 30), (v) => v.toFixed(5)).join();
        const which = images.indexOf(image);
        expect(which).toBeGreaterThanOrEqual(0);
        expect(classesOfThem[i]).toBe(chosen[which] % 3);
        seen.add(which);
      }
      expect(seen.size).toBe(7);
    }));
});

describe('a run', () => {
  test('of six steps is one of three, continued, with the same labelled images', async () => {
    const [whole, parts] = ['whole', 'parts'].map((name) => join(folder, name));
    const common = { model: 'sgan', data: data() };
    await trainRun({ ...common, out: whole, config: { ...config, steps: 6 } });
    await trainRun({ ...common, out: parts, config: { ...config, steps: 3 } });
    await trainRun({ ...common, resume: parts, config: { steps: 6 } });
    expect(await checkpointBytes(parts, 6)).toEqual(await checkpointBytes(whole, 6));
    const [first] = await metricsOf(whole);
    expect(Object.keys(first)).toEqual(expect.arrayContaining(['lossD', 'classes', 'lossG', 'features']));
    expect(first.features).toBe(first.lossG);
    const run = await openRun(whole);
    const { network: labelled } = await loadNetwork(run, 'labelled');
    expect(await (labelled as LabelledImages).labels.data()).toEqual(Int32Array.of(0, 0, 0, 1, 1, 2, 2));
    const labeller = await loadLabeller(whole);
    expect(labeller).toMatchObject({ classes: 3, height: 6, width: 5, channels: 1 });
    const pixels = await data().batch(
      Int32Array.from({ length: 36 }, (_, i) => i),
      new HostRandom(0),
    );
    const found = await labeller.classify(pixels, 36);
    // One image at a time gives the same: no noise, and nothing of the others.
    const alone = await labeller.classify(pixels.subarray(30 * 35), 1);
    expect([found.length, alone[0]]).toEqual([36, found[35]]);
    await expect(labeller.classify(pixels, 35)).rejects.toThrow(code('ERR_SHAPE'));
    labeller.dispose();
    await expect(loadEncoder(whole)).rejects.toThrow(/with an encoder, such as vaegan or bigan, got sgan/);
  });

  test('does not use the labels of its batches', async () => {
    const dims = { height: 6, width: 5, channels: 1, classes: 3 };
    const { schema, build } = modelEntry('sgan');
    const { prepare, phases, networks } = build(schema.resolve(config, 'test'), dims);
    await prepare!(data());
    const images = rand([4, 6, 5, 1]);
    const outcomes = [undefined, [0, 1, 2, 0], [2, 2, 1, 1]].map((labels) => {
      manualSeed(8);
      const batch = { images, size: 4, labels: labels && tensor(labels, [4]).cast('i32') };
      return Promise.all(phases.map((phase) => scope(() => phase.loss(batch, networks).loss.item())));
    });
    const [none, ...others] = await Promise.all(outcomes);
    for (const other of others) expect(other).toEqual(none);
  });

  test('needs classes, and an image of each', async () => {
    const attempt = (more: object, source = data()) =>
      trainRun({
        model: 'sgan',
        data: source,
        out: join(folder, 'no'),
        config: { ...config, steps: 1, ...more },
      });
    await expect(attempt({ classes: 0 })).rejects.toThrow(/sgan learns from labels/);
    await expect(attempt({ labels: 2 })).rejects.toThrow(code('ERR_CONFIG'));
    await expect(attempt({ labels: 40 })).rejects.toThrow(code('ERR_DATA'));
  });

  test('without feature matching G plays the game', () => {
    const { schema, build } = modelEntry('sgan');
    const dims = { height: 6, width: 5, channels: 1, classes: 3 };
    const built = build(schema.resolve({ ...config, featureMatching: 0 }, 'test'), dims);
    const { phases, networks } = built;
    const { loss } = phases.find(({ name }) => name === 'G')!;
    const result = scope(() => Object.keys(loss({ images: ones([4, 6, 5, 1]), size: 4 }, networks)));
    expect(result).toEqual(['loss']);
  });
});
