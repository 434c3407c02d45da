// Runs whose numbers stop being finite: they end with the name of the network, and no checkpoint holds such numbers.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { memory } from '../../src/device.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { defineModel, normalLatent } from '../../src/models/model.js';
import { Linear } from '../../src/nn/linear.js';
import { Module, parameter } from '../../src/nn/module.js';
import { Reshape } from '../../src/nn/reshape.js';
import { Sequential } from '../../src/nn/sequential.js';
import { SGD } from '../../src/optim/sgd.js';
import { tensor } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { trainRun } from '../../src/train/run.js';
import { temporaryFolder, tinyData } from './helpers.js';

class Weight extends Module {
  readonly w = parameter(tensor([1]));
  forward(x: Tensor): Tensor {
    return x.mul(this.w);
  }
}

/** A model whose discriminator follows the loss that a test gives, with a learning rate of 1. */
const fragile = vi.hoisted(() => ({ loss: (w: Tensor): Tensor => w }));

vi.mock('../../src/models/registry.js', () => {
  const entry = defineModel({
    name: 'fragile',
    summary: 'breaks',
    fields: {},
    build() {
      const generator = new Sequential(new Linear(2, 64), new Reshape([8, 8, 1]));
      const discriminator = new Weight();
      return {
        networks: { generator, discriminator },
        optimizers: { discriminator: new SGD(discriminator, { lr: 1 }) },
        latent: normalLatent(2),
        phases: [
          { name: 'D', train: ['discriminator'], loss: () => ({ loss: fragile.loss(discriminator.w) }) },
        ],
      };
    },
  });
  return { loadModel: async () => entry, isModelFile: () => false };
});

const folder = await temporaryFolder();
const run = (name: string, saveEvery: number) =>
  trainRun({
    model: 'fragile',
    data: tinyData(),
    out: join(folder, name),
    config: { batch: 4, samples: 4, steps: 100, saveEvery, device: 'cpu' },
  });

test('a loss that turns NaN stops the run and the last good checkpoint stays', async () => {
  const before = memory().tensors;
  // w goes 1, 0.9, 0.79, ... until the logarithm has no value.
  fragile.loss = (w) => w.add(8).log().sum();
  const diverging = run('loss', 2);
  await expect(diverging).rejects.toThrow(expect.objectContaining({ code: 'ERR_NAN' }));
  await expect(diverging).rejects.toThrow(
    /the loss of the discriminator \(lossD\) became NaN at step \d+; .* the last good checkpoint is of step \d+, in /,
  );
  const checkpoints = join(folder, 'loss', 'checkpoints');
  const latest = (await readFile(join(checkpoints, 'latest'), 'utf8')).trim();
  expect(Number(latest)).toBeGreaterThan(0);
  const { tensors } = await readSafetensors(join(checkpoints, latest, 'weights.safetensors'));
  for (const { data } of tensors.values()) expect(data.every(Number.isFinite)).toBe(true);
  expect(memory().tensors).toBe(before);
});

test('weights that turn NaN behind a finite loss are not saved', async () => {
  // The root of zero is zero, its derivative is not a number.
  fragile.loss = (w) => w.mul(0).sqrt().sum();
  const diverging = run('weights', 1);
  await expect(diverging).rejects.toThrow(
    /the weights of the discriminator .* at step 1; no checkpoint had been saved/,
  );
});
