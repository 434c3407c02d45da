// Every registered model, from the outside: it trains, makes images of the size of the data, is sampled from its run
// directory, and continues bit for bit. A model that is added is tested here without another line.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import { memory } from '../../src/device.js';
import { models } from '../../src/models/registry.js';
import { loadGenerator } from '../../src/train/generator.js';
import { type TrainEvent, trainRun } from '../../src/train/run.js';
import { checkpointBytes, metricsOf, temporaryFolder } from '../train/helpers.js';

const folder = await temporaryFolder();
const classes = ['ring', 'bar', 'dot'];

/** 24 noisy images of 16 x 16 pixels in three classes. */
function labelled(channels: number) {
  const random = new HostRandom(1);
  const images = Uint8Array.from({ length: 24 * 16 * 16 * channels }, () => random.below(256));
  const labels = Int32Array.from({ length: 24 }, (_, i) => i % classes.length);
  return memoryDataset({ name: 'tiny', images, height: 16, width: 16, channels, labels, classes });
}

/** What makes a model tiny, by the names that options have. */
const tiny: Record<string, number> = {
  baseWidth: 4,
  maxWidth: 8,
  hidden: 8,
  zSize: 8,
  wSize: 8,
  embedding: 4,
  labels: 6,
  dSteps: 1,
  lrDecaySteps: 6,
  stableSteps: 1,
  fadeSteps: 1,
};

function tinyConfig(model: string) {
  const { schema } = models[model];
  const sizes = Object.entries(tiny).filter(([key]) => key in schema.fields);
  return { ...Object.fromEntries(sizes), batch: 4, samples: 6, seed: 5, device: 'cpu', saveEvery: 3 };
}

test('one step of every model is compared with PyTorch', () => {
  const fixtures = new URL('../reference/fixtures/steps/', import.meta.url);
  const missing = Object.keys(models).filter((model) => !existsSync(new URL(`${model}.json`, fixtures)));
  expect(missing).toEqual([]);
});

describe.each(Object.keys(models))('%s', (model) => {
  test('resumed half-way, a run ends with the same bits; its generator makes images of every class', async () => {
    const before = memory().tensors;
    const config = tinyConfig(model);
    const [whole, halves] = ['whole', 'halves'].map((name) => join(folder, `${model}-${name}`));
    const events: TrainEvent[] = [];
    const onEvent = (event: TrainEvent) => events.push(event);
    await trainRun({ model, data: labelled(1), out: whole, config: { ...config, steps: 6 }, onEvent });
    await trainRun({ model, data: labelled(1), out: halves, config: { ...config, steps: 3 } });
    await trainRun({ model, data: labelled(1), resume: halves, config: { steps: 6 } });
    expect(await checkpointBytes(halves, 6)).toEqual(await checkpointBytes(whole, 6));
    expect(await metricsOf(halves)).toEqual(await metricsOf(whole));
    expect(events.filter(({ type }) => type === 'eager')).toEqual([]);

    const generator = await loadGenerator(whole, { device: 'cpu' });
    expect(generator).toMatchObject({ height: 16, width: 16, channels: 1 });
    const [z, n] = [await generator.latents(5, 1), 5];
    const pixels = await generator.generate(z, n);
    expect(pixels).toHaveLength(5 * 16 * 16);
    expect(await generator.generate(z, n)).toEqual(pixels);
    generator.dispose();
    expect(memory().tensors).toBe(before);
  });

  test('trains on colour in bf16 and with accumulated gradients', async () => {
    const out = join(folder, `${model}-colour`);
    const config = { ...tinyConfig(model), steps: 2, precision: 'bf16', accumulate: 2 };
    await trainRun({ model, data: labelled(3), out, config });
    const [, last] = await metricsOf(out);
    for (const [name, value] of Object.entries(last)) expect(Number.isFinite(value), name).toBe(true);
  });
});
