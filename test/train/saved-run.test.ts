// One network of a trained run: which of a checkpoint's weights it gets, and what is left when they do not fit.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { readTensors } from '../../src/train/checkpoint.js';
import { trainRun } from '../../src/train/run.js';
import type { NamedTensors } from '../../src/train/run-directory.js';
import { loadNetwork, openRun } from '../../src/train/saved-run.js';
import { temporaryFolder, tinyConfig, tinyData } from './helpers.js';

const folder = await temporaryFolder();

async function trained(name: string, ema: number) {
  const out = join(folder, name);
  await trainRun({ model: 'gan', data: tinyData(), out, config: { ...tinyConfig.gan, ema, steps: 3 } });
  const run = await openRun(out);
  return { run, weights: (await run.directory.loadCheckpoint()).weights };
}

/** The tensors whose names begin with the prefix, by the rest of their names. */
const below = (weights: NamedTensors, prefix: string) =>
  new Map(
    [...weights]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, t]) => [name.slice(prefix.length), t]),
  );

const averaged = await trained('averaged', 0.9);
const plain = await trained('plain', 0);

test.each([
  ['the averages, where there are', averaged, 'generator', 'ema.generator.'],
  ['the weights, where none are averaged', plain, 'generator', 'generator.'],
  ['the weights of a network that is never averaged', averaged, 'discriminator', 'discriminator.'],
])('a network gets %s', async (_, { run, weights }, name, prefix) => {
  const { network, step } = await loadNetwork(run, name);
  expect(step).toBe(3);
  expect(await readTensors(network!.stateDict())).toEqual(below(weights, prefix));
  network!.dispose();
});

test('averages are other numbers than weights', () => {
  const [averages, weights] = ['ema.generator.', 'generator.'].map((name) => below(averaged.weights, name));
  expect([...averages.keys()]).toEqual([...weights.keys()]);
  expect(averages).not.toEqual(weights);
});

test('there is no network of a name that the model has not', async () => {
  const before = memory().tensors;
  expect(await loadNetwork(plain.run, 'encoder')).toMatchObject({ network: undefined, step: 3 });
  expect(memory().tensors).toBe(before);
});

test('a network that the weights do not fit is refused and freed', async () => {
  const before = memory().tensors;
  const wider = { ...plain.run, config: { ...plain.run.config, hidden: 16 } };
  await expect(loadNetwork(wider, 'generator')).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_CHECKPOINT' }),
  );
  expect(memory().tensors).toBe(before);
});
