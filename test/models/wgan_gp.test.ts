// WGAN-GP: its defaults, a critic without batch normalisation, what a run reports, and a critic that learns.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { wganGp } from '../../src/models/wgan_gp.js';
import { BatchNorm2d } from '../../src/nn/norm.js';
import { trainRun } from '../../src/train/run.js';
import { metricsOf, temporaryFolder, tinyConfig, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();

test('has the defaults of algorithm 1, and the critic no batch normalisation', () => {
  const config = wganGp.schema.resolve({ baseWidth: 4 }, 'test');
  expect(config).toMatchObject({ lr: 1e-4, beta1: 0, beta2: 0.9, dSteps: 5, penaltyWeight: 10 });
  const { networks, optimizers } = wganGp.build(config, { height: 16, width: 16, channels: 3 });
  const hasBatchNorm = (network: { modules(): unknown[] }) =>
    network.modules().some((layer) => layer instanceof BatchNorm2d);
  expect(hasBatchNorm(networks.generator)).toBe(true);
  expect(hasBatchNorm(networks.discriminator)).toBe(false);
  for (const o of [...Object.values(networks), ...Object.values(optimizers)]) o.dispose();
});

test('a run reports distance and penalty, which add up to the loss; against a generator that stands still, the critic learns', async () => {
  const out = join(folder, 'run');
  const config = { ...tinyConfig.dcgan, steps: 80, dSteps: 3, lr: 1e-3, lrGenerator: 0 };
  await trainRun({ model: 'wgan-gp', data: tinyData(), out, config });
  const metrics = (await metricsOf(out)) as Record<string, number>[];
  expect(metrics).toHaveLength(80);
  for (const { lossD, distance, penalty } of metrics) expect(lossD).toBeCloseTo(penalty - distance, 4);
  expect(metrics[79].distance).toBeGreaterThan(metrics[0].distance);
  expect(metrics[79].penalty).toBeLessThan(metrics[0].penalty);
});
