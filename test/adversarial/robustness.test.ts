// What is measured of a trained classifier: the right images, the right attacks in the right units, the grid. The classifier
// has learnt where a bright pixel is, which leaves no doubt of what an attack of a given size can do.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fgsm } from '../../src/adversarial/attacks.js';
import { measureRobustness, type RobustnessOptions } from '../../src/adversarial/robustness.js';
import { judge } from '../../src/classifier/evaluate.js';
import { loadClassifier } from '../../src/classifier/load.js';
import { heldOutSplit } from '../../src/classifier/split.js';
import { trainClassifier } from '../../src/classifier/train.js';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import { memory } from '../../src/device.js';
import { tensor } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import { toUnitRange } from '../../src/train/batches.js';
import { temporaryFolder } from '../train/helpers.js';

const code = (c: string) => expect.objectContaining({ code: c });
const folder = await temporaryFolder();

/** 4 x 5 pixels, the left half brighter than the right by 64 (class 0) or the other way round (class 1). */
function halves(classes = ['left', 'right'], length = 200) {
  const random = new HostRandom(3);
  const labels = Int32Array.from({ length }, (_, i) => i % 2);
  const images = Uint8Array.from({ length: length * 20 }, (_, i) => {
    const left = i % 5 < 2;
    return 90 + (left === (labels[Math.floor(i / 20)] === 0) ? 64 : 0) + random.below(8);
  });
  return memoryDataset({ name: 'halves', images, height: 4, width: 5, channels: 1, labels, classes });
}

const run = join(folder, 'run');
await trainClassifier(halves(), {
  out: run,
  config: { batch: 20, baseWidth: 4, epochs: 20, lr: 3e-3, dropout: 0, device: 'cpu' },
});
const before = memory().tensors;
const measure = (options: Partial<RobustnessOptions> = {}) =>
  measureRobustness(run, { data: halves(), eps: 0.25, device: 'cpu', ...options });

describe('measureRobustness', () => {
  test('a small eps changes nothing, a large one everything; all held-out images are attacked', async () => {
    const progress: number[][] = [];
    const small = await measure({ eps: 0.02, onProgress: (...of) => progress.push(of) });
    expect(small).toMatchObject({ images: 20, clean: 1, fgsm: 1, iterated: 1 });
    expect(progress).toEqual([
      [0, 20],
      [20, 20],
    ]);
    // Half of the difference of 64 / 255 is enough to exchange the halves: an eps of 0.125 in units of the pixels' range.
    expect(await measure({ eps: 0.25 })).toMatchObject({ clean: 1, fgsm: 0, iterated: 0 });
    expect(memory().tensors).toBe(before);
  });

  test('says what the attacks themselves do, on the held-out images only', async () => {
    const eps = 0.12;
    const { fgsm: share, images } = await measure({ eps });
    const { heldOut } = heldOutSplit(halves());
    const classifier = await loadClassifier(run, { device: 'cpu' });
    await scope(async () => {
      const pixels = await heldOut.batch(
        Int32Array.from({ length: images }, (_, i) => i),
        new HostRandom(0),
      );
      const x = toUnitRange(tensor(pixels, [images, 4, 5, 1]));
      const labels = tensor(Int32Array.from(heldOut.labels!), [images]);
      const { classes } = await judge(
        classifier.network,
        fgsm(classifier.network, x, labels, { eps: 2 * eps }),
      );
      const right = classes.filter((c, i) => c === heldOut.labels![i]).length;
      expect(share).toBeCloseTo(right / images, 10);
    });
    classifier.dispose();
  });

  test('the grid: originals, what is added between black and white, and the sum within eps', async () => {
    const eps = 0.125;
    const { grid, examples } = await measure({ eps, examples: 4, images: 6, steps: 5, randomStart: true });
    expect(grid).toMatchObject({ count: 12, height: 4, width: 5, channels: 1 });
    const [original, added, sum] = [0, 1, 2].map((row) => grid.data.slice(80 * row, 80 * (row + 1)));
    original.forEach((v, i) => {
      expect(Math.abs(added[i])).toBeLessThanOrEqual(1 + 1e-5);
      expect(original[i] + 2 * eps * added[i]).toBeCloseTo(sum[i], 5);
      expect(Math.abs(v)).toBeLessThan(1);
    });
    expect(examples).toHaveLength(4);
    for (const { label, before: taken } of examples) expect(taken).toBe(label);
    // The first of six images of 20, spread evenly, are not all of one class.
    expect(new Set(examples.map(({ label }) => label)).size).toBe(2);
  });

  test('one step without a start of its own is the fast method', async () => {
    const { fgsm: one, iterated } = await measure({ eps: 0.12, steps: 1 });
    expect(iterated).toBe(one);
    // A step of nearly nothing is hardly an attack.
    expect((await measure({ eps: 0.25, steps: 1, stepSize: 1e-6 })).iterated).toBe(1);
  });

  test('fewer images, fewer examples, and a signal', async () => {
    const few = await measure({ images: 3, examples: 50 });
    expect(few.images).toBe(3);
    expect(few.examples).toHaveLength(3);
    const controller = new AbortController();
    controller.abort();
    expect((await measure({ signal: controller.signal })).images).toBe(0);
  });

  test('same seed, same random starts', async () => {
    const pixels = async (seed: number) =>
      (await measure({ seed, steps: 1, stepSize: 0.01, randomStart: true })).grid.data;
    expect(await pixels(1)).toEqual(await pixels(1));
    expect(await pixels(1)).not.toEqual(await pixels(2));
  });

  test.each([
    [{ eps: 0 }, 'ERR_ARGUMENT', 'eps must be above 0 and at most 1, got 0'],
    [{ eps: 1.5 }, 'ERR_ARGUMENT', 'got 1.5'],
    [{ eps: Number.NaN }, 'ERR_ARGUMENT', 'got NaN'],
    [{ steps: 0 }, 'ERR_ARGUMENT', 'steps must be an integer of at least 1'],
    [{ images: 0 }, 'ERR_ARGUMENT', 'images must be an integer of at least 1'],
    [{ examples: 0 }, 'ERR_ARGUMENT', 'examples must be an integer of at least 1'],
    [
      { data: halves(['left', 'wrong']) },
      'ERR_DATA',
      'halves: expected the classes that the classifier knows, 2 (left, right), got 2 (left, wrong)',
    ],
    [{ data: halves(['left', 'right', 'both']) }, 'ERR_DATA', 'got 3 (left, right, both)'],
    [{ data: 'mnsit' }, 'ERR_DATA', 'mnsit'],
  ])('refuses %j', async (options, expected, message) => {
    await expect(measure(options)).rejects.toThrow(code(expected));
    await expect(measure(options)).rejects.toThrow(message);
    expect(memory().tensors).toBe(before);
  });
});
