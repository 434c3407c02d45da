// A classifier's run and the files it leaves; stopped and continued; loaded for use; what is refused.

import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadClassifier } from '../../src/classifier/load.js';
import { type ClassifierEvent, trainClassifier } from '../../src/classifier/train.js';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import { memory } from '../../src/device.js';
import { frechetDistance } from '../../src/metrics/frechet.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyData } from '../train/helpers.js';

const code = (c: string) => expect.objectContaining({ code: c });
const folder = await temporaryFolder();

/** Noisy images, 9 x 6 pixels in colour, bright above (class `up`), below (`down`) or nowhere (`none`); 40 of each. */
function bands() {
  const [height, width, channels, length] = [9, 6, 3, 120];
  const random = new HostRandom(3);
  const labels = Int32Array.from({ length }, (_, i) => i % 3);
  const images = Uint8Array.from({ length: length * height * width * channels }, (_, i) => {
    const image = Math.floor(i / (height * width * channels));
    const row = Math.floor(i / (width * channels)) % height;
    const bright = labels[image] === 0 ? row < 4 : labels[image] === 1 && row > 4;
    return (bright ? 120 : 40) + random.below(60);
  });
  return memoryDataset({
    name: 'bands',
    images,
    height,
    width,
    channels,
    labels,
    classes: ['up', 'down', 'none'],
  });
}

const tiny = { batch: 12, baseWidth: 4, epochs: 12, seed: 5, lr: 3e-3, device: 'cpu', saveEvery: 50 };
const run = join(folder, 'run');
const events: ClassifierEvent[] = [];
const tensorsBefore = memory().tensors;
const summary = await trainClassifier(bands(), {
  out: run,
  config: tiny,
  onEvent: (event) => events.push(event),
});

describe('a run', () => {
  test('learns, sums itself up and leaves no tensors', () => {
    // 108 images to learn from, 9 batches of 12.
    expect(summary).toEqual({ interrupted: false, step: 108, runDirectory: run, accuracy: 1 });
    expect(memory().tensors).toBe(tensorsBefore);
  });

  test('tells what it does, the accuracy after each pass included, and runs as a recording', () => {
    expect(events[0]).toMatchObject({ type: 'start', runDirectory: run, step: 0, steps: 108 });
    expect(events.filter(({ type }) => type === 'step')).toHaveLength(108);
    expect(events.filter(({ type }) => type === 'eager')).toEqual([]);
    const accuracies = events.filter((event) => event.type === 'accuracy');
    expect(accuracies.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => 9 * (i + 1)));
    const saved = events.filter((event) => event.type === 'checkpoint');
    expect(saved.map(({ step }) => step)).toEqual([50, 100, 108]);
  });

  test('leaves the files of a run', async () => {
    expect(await readdir(join(run, 'checkpoints'))).toEqual(['000050', '000100', '000108', 'latest']);
    const config = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      ...tiny,
      model: 'classifier',
      data: 'bands',
      height: 9,
      width: 6,
      channels: 3,
    });
    expect(config.classes).toEqual(['up', 'down', 'none']);
    const metrics = await metricsOf(run);
    expect(metrics.filter(({ lossC }) => lossC !== undefined)).toHaveLength(108);
    expect(metrics.at(-1)).toEqual({ step: 108, accuracy: 1 });
  });

  test('stopped and continued, it ends with the same weights, bit for bit', async () => {
    const out = join(folder, 'stopped');
    const controller = new AbortController();
    const stopped = await trainClassifier(bands(), {
      out,
      config: tiny,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.step === 20) controller.abort();
      },
    });
    expect(stopped.interrupted).toBe(true);
    expect(stopped.step).toBeLessThan(108);
    expect(stopped.accuracy).toBeUndefined();
    const finished = await trainClassifier(bands(), { resume: out });
    expect(finished).toMatchObject({ interrupted: false, step: 108, accuracy: 1 });
    expect(await checkpointBytes(out, 108)).toEqual(await checkpointBytes(run, 108));
    expect(await metricsOf(out)).toEqual(await metricsOf(run));
    expect(memory().tensors).toBe(tensorsBefore);
  });

  test.each([1, 3])(
    'against an attack of %i steps it is recorded too, and repeatable',
    async (attackSteps) => {
      const config = { ...tiny, epochs: 1, adversarial: true, eps: 0.1, attackSteps };
      const outs = ['a', 'b'].map((name) => join(folder, `adversarial-${attackSteps}-${name}`));
      const eager: ClassifierEvent[] = [];
      for (const out of outs) {
        await trainClassifier(bands(), {
          out,
          config,
          onEvent: (event) => event.type === 'eager' && eager.push(event),
        });
      }
      expect(eager).toEqual([]);
      expect(await checkpointBytes(outs[0], 9)).toEqual(await checkpointBytes(outs[1], 9));
      expect(memory().tensors).toBe(tensorsBefore);
    },
  );
});

describe('a loaded classifier', () => {
  test('knows its classes and finds them, one image or many', async () => {
    const classifier = await loadClassifier(run, { device: 'cpu' });
    expect(classifier).toMatchObject({ data: 'bands', height: 9, width: 6, channels: 3 });
    expect(classifier.classes).toEqual(['up', 'down', 'none']);
    const data = bands();
    const pixels = await data.batch(
      Int32Array.from({ length: 120 }, (_, i) => i),
      new HostRandom(0),
    );
    // More than are judged at once.
    const many = Uint8Array.from({ length: 5 * pixels.length }, (_, i) => pixels[i % pixels.length]);
    const { classes, confidence } = await classifier.classify(many);
    expect(classes).toHaveLength(600);
    expect([...classes].every((c, i) => c === i % 3)).toBe(true);
    expect(Math.min(...confidence)).toBeGreaterThan(0.5);
    const one = await classifier.classify(pixels.subarray(0, 162));
    expect([...one.classes]).toEqual([0]);
    expect(one.confidence[0]).toBeCloseTo(confidence[0], 4);
    await expect(classifier.classify(pixels.subarray(1))).rejects.toThrow(code('ERR_SHAPE'));
    classifier.dispose();
    expect(memory().tensors).toBe(tensorsBefore);
  });

  test('its features tell images of one class from those of another', async () => {
    const classifier = await loadClassifier(run, { device: 'cpu' });
    const data = bands();
    const of = async (first: number, every: number, n = 20) => {
      const indices = Int32Array.from({ length: n }, (_, i) => first + every * i);
      return classifier.statistics(await data.batch(indices, new HostRandom(0)));
    };
    const distance = async (a: typeof up, b: typeof up) =>
      frechetDistance(a.mean, a.covariance, b.mean, b.covariance);
    const up = await of(0, 3);
    expect(up.mean).toHaveLength(16);
    expect(await distance(up, up)).toBeCloseTo(0, 6);
    expect(await distance(up, await of(1, 3))).toBeGreaterThan(5 * (await distance(up, await of(60, 3))));
    await expect(of(0, 1, 1)).rejects.toThrow('at least 2 images of 9 x 6 x 3, got 162 bytes');
    classifier.dispose();
  });

  test('is refused where the run is another, or no run', async () => {
    const gan = join(folder, 'gan');
    await mkdir(gan);
    await writeFile(join(gan, 'config.json'), '{"model": "gan", "data": "mnist"}');
    await expect(loadClassifier(gan)).rejects.toThrow(/is a run of the model gan, not a classifier's/);
    await expect(loadClassifier(folder)).rejects.toThrow(code('ERR_CHECKPOINT'));
    await expect(loadClassifier(join(folder, 'absent'))).rejects.toThrow(code('ERR_FILE_IO'));
    const bad = join(folder, 'stopped', 'config.json');
    const config = JSON.parse(await readFile(bad, 'utf8'));
    await writeFile(bad, JSON.stringify({ ...config, classes: 3 }));
    await expect(loadClassifier(join(folder, 'stopped'))).rejects.toThrow(
      'classes must be an array of names',
    );
    await writeFile(bad, JSON.stringify({ ...config, classes: ['up', 'down'] }));
    await expect(loadClassifier(join(folder, 'stopped'))).rejects.toThrow(code('ERR_CHECKPOINT'));
    await writeFile(bad, JSON.stringify({ ...config, height: null }));
    await expect(loadClassifier(join(folder, 'stopped'))).rejects.toThrow(
      'height, width and channels must be',
    );
    expect(memory().tensors).toBe(tensorsBefore);
  });
});

describe('what cannot work is refused before anything is written', () => {
  test.each([
    ['an unknown option', { epoch: 3 }, 'ERR_CONFIG'],
    ['an absurd option', { lr: Number.NaN }, 'ERR_CONFIG'],
    ['a batch larger than the data', { batch: 109 }, 'ERR_DATA'],
    ['a size that the data has not', { height: 16 }, 'ERR_CONFIG'],
    ['a device that is not there', { device: 'cuda' }, 'ERR_CUDA_UNAVAILABLE'],
  ])('%s', async (_, config, expected) => {
    const out = join(folder, 'refused');
    await expect(trainClassifier(bands(), { out, config: { ...tiny, ...config } })).rejects.toThrow(
      code(expected),
    );
    await expect(access(out)).rejects.toThrow();
    expect(memory().tensors).toBe(tensorsBefore);
  });

  test('images without classes, an unknown data set, a directory that holds a run, a run changed on the way', async () => {
    await expect(trainClassifier(tinyData(), { config: tiny })).rejects.toThrow('tiny has no classes');
    await expect(trainClassifier('mnsit')).rejects.toThrow(code('ERR_DATA'));
    await expect(trainClassifier(bands(), { out: run, config: tiny })).rejects.toThrow(
      code('ERR_RUN_EXISTS'),
    );
    await expect(trainClassifier(bands(), { resume: run, config: { lr: 1 } })).rejects.toThrow(
      'cannot continue with lr 1',
    );
    await expect(trainClassifier(bands(), { resume: run, out: 'x' })).rejects.toThrow(
      'cannot be combined with resume',
    );
    expect(memory().tensors).toBe(tensorsBefore);
  });
});

test('a run killed before its first checkpoint starts again from the beginning, and says so', async () => {
  const out = join(folder, 'early');
  const controller = new AbortController();
  controller.abort();
  const stopped = await trainClassifier(bands(), { out, config: tiny, signal: controller.signal });
  expect(stopped).toEqual({ interrupted: true, step: 0, runDirectory: out });
  await rm(join(out, 'checkpoints'), { recursive: true });
  await mkdir(join(out, 'checkpoints'));
  const warnings: string[] = [];
  const finished = await trainClassifier(bands(), {
    resume: out,
    onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
  });
  expect(finished.accuracy).toBe(1);
  expect(warnings).toEqual([expect.stringContaining('stopped before its first checkpoint')]);
  expect(await checkpointBytes(out, 108)).toEqual(await checkpointBytes(run, 108));
});
