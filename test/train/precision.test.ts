// Runs in bf16: what is saved stays f32, a resumed run is the same bits, and the losses follow those of the f32 run.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { trainRun } from '../../src/train/run.js';
import { RunDirectory } from '../../src/train/run-directory.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyConfig, tinyData } from './helpers.js';

const folder = await temporaryFolder();

const run = (model: 'gan' | 'dcgan', name: string, config: Record<string, unknown>, resume?: string) =>
  trainRun({
    model,
    data: tinyData(),
    ...(resume === undefined ? { out: join(folder, name) } : { resume }),
    config: resume === undefined ? { ...tinyConfig[model], ...config } : config,
  });

test.each(['gan', 'dcgan'] as const)('%s in bf16 saves f32 and trains much as in f32', async (model) => {
  const options = { steps: 8, saveEvery: 4, sampleEvery: 100 };
  const narrow = await run(model, `${model}-bf16`, { ...options, precision: 'bf16' });
  const exact = await run(model, `${model}-f32`, options);
  const { weights } = await (await RunDirectory.open(narrow.runDirectory)).loadCheckpoint();
  expect(weights.size).toBeGreaterThan(0);
  for (const { dtype } of weights.values()) expect(dtype).toBe('f32');
  const config = JSON.parse(await readFile(join(narrow.runDirectory, 'config.json'), 'utf8'));
  expect(config.precision).toBe('bf16');
  const [got, want] = [await metricsOf(narrow.runDirectory), await metricsOf(exact.runDirectory)];
  expect(got).toHaveLength(8);
  for (const key of ['lossD', 'lossG']) {
    const [a, b] = [got[0][key] as number, want[0][key] as number];
    expect(Math.abs(a - b)).toBeLessThan(2e-2 * Math.max(1, Math.abs(b)));
    expect(a).not.toBe(b);
  }
});

test('a resumed run ends with the same weights, bit for bit', async () => {
  const options = { saveEvery: 4, sampleEvery: 100, precision: 'bf16' };
  const whole = await run('dcgan', 'whole', { ...options, steps: 8 });
  const half = await run('dcgan', 'half', { ...options, steps: 4 });
  await run('dcgan', '', { steps: 8 }, half.runDirectory);
  const [a, b] = [await checkpointBytes(whole.runDirectory, 8), await checkpointBytes(half.runDirectory, 8)];
  expect(b.weights).toBe(a.weights);
  expect(b.optim).toBe(a.optim);
});

test('a run cannot change its precision', async () => {
  const { runDirectory } = await run('gan', 'fixed', { steps: 2, sampleEvery: 100 });
  await expect(run('gan', '', { steps: 4, precision: 'bf16' }, runDirectory)).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG' }),
  );
});
