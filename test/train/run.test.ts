// A whole run and the files it leaves, what stops it, and images from the result.

import { rmSync, writeFileSync } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { loadGenerator } from '../../src/train/generator.js';
import { type TrainEvent, trainRun } from '../../src/train/run.js';
import { metricsOf, temporaryFolder, tinyConfig, tinyData } from './helpers.js';

const code = (c: string) => expect.objectContaining({ code: c });
const folder = await temporaryFolder();
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

const run = join(folder, 'run');
const events: TrainEvent[] = [];
const config = { ...tinyConfig.dcgan, steps: 5, saveEvery: 2, sampleEvery: 3, ema: 0.5 };
const tensorsBefore = memory().tensors;
const summary = await trainRun({
  model: 'dcgan',
  data: tinyData(),
  out: run,
  config,
  onEvent: (event) => events.push(event),
});

describe('a run', () => {
  test('sums itself up and leaves no tensors', () => {
    expect(summary).toMatchObject({ interrupted: false, step: 5, runDirectory: run });
    expect(memory().tensors).toBe(tensorsBefore);
  });

  test('tells what it does', () => {
    expect(events[0]).toMatchObject({ type: 'start', runDirectory: run, step: 0, steps: 5, model: 'dcgan' });
    const steps = events.filter(({ type }) => type === 'step');
    expect(steps).toHaveLength(5);
    expect(steps[4]).toMatchObject({ step: 5, steps: 5, losses: summary.losses });
    const files = events.filter((event) => event.type === 'checkpoint' || event.type === 'sample');
    expect(files.map(({ type, step }) => `${type} ${step}`)).toEqual([
      'checkpoint 2',
      'sample 3',
      'checkpoint 4',
      'sample 5',
      'checkpoint 5',
    ]);
    for (const { path } of files) expect(path.startsWith(run)).toBe(true);
  });

  test('leaves its files', async () => {
    expect((await readdir(run)).sort()).toEqual(['checkpoints', 'config.json', 'metrics.jsonl', 'samples']);
    expect((await readdir(join(run, 'checkpoints'))).sort()).toEqual([
      '000002',
      '000004',
      '000005',
      'latest',
    ]);
    expect(await readdir(join(run, 'samples'))).toEqual(['000003.png', '000005.png']);
    const metrics = await metricsOf(run);
    expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    expect(Object.keys(metrics[0])).toEqual(['step', 'lossD', 'scoreReal', 'scoreFake', 'lossG']);
    const { width, height } = await sharp(join(run, 'samples', '000003.png')).metadata();
    expect([width, height]).toEqual([2 + 2 * (8 + 2), 2 + 2 * (8 + 2)]);
  });

  test('writes the resolved config, which starts the same run again', async () => {
    const { model, data, ...saved } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
    expect([model, data]).toEqual(['dcgan', 'tiny']);
    expect(saved).toMatchObject({ ...config, height: 8, width: 8, channels: 1, lr: 2e-4 });
    const again = join(folder, 'again');
    await trainRun({ model, data: tinyData(), out: again, config: saved });
    expect(await metricsOf(again)).toEqual(await metricsOf(run));
  });

  test('a generator is made from it with the averaged weights', async () => {
    const generator = await loadGenerator(run, { device: 'cpu' });
    expect(generator).toMatchObject({ zSize: 6, height: 8, width: 8, channels: 1 });
    const z = await generator.latents(70, 3);
    expect(z).toHaveLength(70 * 6);
    expect(await generator.latents(70, 3)).toEqual(z);
    const images = await generator.generate(z, 70);
    expect(images).toHaveLength(70 * 64);
    expect(new Set(images).size).toBeGreaterThan(5);
    // The same images whatever they are made together with.
    const one = await generator.generate(z.slice(6 * 69), 1);
    one.forEach((pixel, i) => {
      expect(Math.abs(pixel - images[69 * 64 + i])).toBeLessThanOrEqual(1);
    });
    await expect(generator.generate(z, 71)).rejects.toThrow(code('ERR_SHAPE'));
    await expect(generator.latents(0, 1)).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(generator.latents(1, -1)).rejects.toThrow(code('ERR_ARGUMENT'));
    generator.dispose();
    expect(memory().tensors).toBe(tensorsBefore);
  });
});

describe('what cannot work is refused before anything is written', () => {
  const attempt = (name: string, more: object) =>
    trainRun({ model: 'gan', data: tinyData(), out: join(folder, name), config: tinyConfig.gan, ...more });

  test.each([
    ['an unknown model', { model: 'dcgna' }, 'ERR_CONFIG'],
    ['an unknown option', { config: { epoch: 3 } }, 'ERR_CONFIG'],
    ['an absurd option', { config: { lr: Number.NaN } }, 'ERR_CONFIG'],
    ['an unknown data set', { data: 'mnsit' }, 'ERR_DATA'],
    ['a batch larger than the data', { config: { batch: 25 } }, 'ERR_DATA'],
    [
      'a size the model cannot make',
      { model: 'dcgan', data: tinyData(6), config: { batch: 4 } },
      'ERR_CONFIG',
    ],
    ['a size the data does not have', { config: { height: 16 } }, 'ERR_CONFIG'],
    ['a device that is not there', { config: { device: 'cuda' } }, 'ERR_CUDA_UNAVAILABLE'],
  ])('%s', async (_, more, expected) => {
    await expect(attempt('refused', more)).rejects.toThrow(code(expected));
    expect(await exists(join(folder, 'refused'))).toBe(false);
    expect(memory().tensors).toBe(tensorsBefore);
  });

  test('a directory that holds another run', async () => {
    await expect(attempt('run', {})).rejects.toThrow(code('ERR_RUN_EXISTS'));
  });
});

test('a disk error while saving stops the run with a plain sentence', async () => {
  const out = join(folder, 'blocked');
  const blocked = trainRun({
    model: 'gan',
    data: tinyData(),
    out,
    config: { ...tinyConfig.gan, steps: 4, saveEvery: 2 },
    onEvent: (event) => {
      // A file where the checkpoint's directory must go.
      if (event.type === 'step' && event.step === 1) blockCheckpoints(out);
    },
  });
  await expect(blocked).rejects.toThrow(code('ERR_FILE_IO'));
  expect(memory().tensors).toBe(tensorsBefore);
});

function blockCheckpoints(out: string): void {
  rmSync(join(out, 'checkpoints'), { recursive: true });
  writeFileSync(join(out, 'checkpoints'), 'not a directory');
}
