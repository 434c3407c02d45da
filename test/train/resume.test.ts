// Continuing a run: bit for bit what an uninterrupted one does, and refusing what cannot be continued.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type TrainEvent, type TrainRunOptions, trainRun } from '../../src/train/run.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyConfig, tinyData } from './helpers.js';

const code = (c: string) => expect.objectContaining({ code: c });
const folder = await temporaryFolder();

function train(out: string, config: Record<string, unknown>, more: Partial<TrainRunOptions> = {}) {
  return trainRun({ model: 'gan', data: tinyData(), out: join(folder, out), config, ...more });
}

function resume(out: string, config: Record<string, unknown> = {}, more: Partial<TrainRunOptions> = {}) {
  return trainRun({ model: 'gan', data: tinyData(), resume: join(folder, out), config, ...more });
}

describe.each(['gan', 'dcgan'] as const)('%s', (model) => {
  const config = { ...tinyConfig[model], ema: 0.9, dSteps: 2 };

  test('six steps are the same as three and three', async () => {
    await train(`${model}-six`, { ...config, steps: 6 }, { model });
    await train(`${model}-three`, { ...config, steps: 3 }, { model });
    await resume(`${model}-three`, { steps: 6 }, { model });
    const [whole, parts] = [`${model}-six`, `${model}-three`].map((name) => join(folder, name));
    expect(await checkpointBytes(parts, 6)).toEqual(await checkpointBytes(whole, 6));
    expect(await metricsOf(parts)).toEqual(await metricsOf(whole));
    const [a, b] = await Promise.all(
      [whole, parts].map((run) => readFile(join(run, 'samples', '000006.png'))),
    );
    expect(a.equals(b)).toBe(true);
  });

  test('so is a run that was aborted, whatever was saved and sampled meanwhile', async () => {
    const controller = new AbortController();
    const stop = (event: TrainEvent) => {
      if (event.type === 'sample' && event.step === 4) controller.abort();
    };
    const more = { model, signal: controller.signal, onEvent: stop };
    const out = `${model}-aborted`;
    const summary = await train(out, { ...config, steps: 6, sampleEvery: 1, saveEvery: 2 }, more);
    expect(summary).toMatchObject({ interrupted: true, step: 4, runDirectory: join(folder, out) });
    expect(await resume(out, {}, { model })).toMatchObject({ interrupted: false, step: 6 });
    expect(await checkpointBytes(join(folder, out), 6)).toEqual(
      await checkpointBytes(join(folder, `${model}-six`), 6),
    );
  });
});

test('continuing a finished run changes nothing, and it may be made longer', async () => {
  const run = join(folder, 'gan-six');
  const before = await checkpointBytes(run, 6);
  expect(await resume('gan-six')).toMatchObject({ interrupted: false, step: 6 });
  expect(await checkpointBytes(run, 6)).toEqual(before);
  await resume('gan-six', { steps: 8 });
  expect((await metricsOf(run)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(JSON.parse(await readFile(join(run, 'config.json'), 'utf8')).steps).toBe(8);
});

test('a run stopped before its first checkpoint begins again', async () => {
  const controller = new AbortController();
  const events: TrainEvent[] = [];
  const broken = {
    ...tinyData(),
    batch: async () => {
      throw new Error('the disk has gone');
    },
  };
  await expect(train('early', { ...tinyConfig.gan, steps: 2 }, { data: broken })).rejects.toThrow(
    'the disk has gone',
  );
  await resume('early', {}, { onEvent: (event) => events.push(event), signal: controller.signal });
  expect(events.find(({ type }) => type === 'warning')).toMatchObject({
    message: /before its first checkpoint/,
  });
  expect((await metricsOf(join(folder, 'early'))).map(({ step }) => step)).toEqual([1, 2]);
});

describe('refuses', () => {
  test('options that would change the result', async () => {
    await expect(resume('gan-six', { lr: 1 })).rejects.toThrow(code('ERR_CONFIG'));
    await expect(resume('gan-six', { btach: 1 })).rejects.toThrow(/did you mean "batch"/);
    await expect(resume('gan-six', {}, { model: 'dcgan' })).rejects.toThrow(/is a run of the model gan/);
    await expect(resume('gan-six', {}, { out: 'elsewhere' })).rejects.toThrow(code('ERR_CONFIG'));
  });

  test('other data', async () => {
    await expect(resume('gan-six', { steps: 99 }, { data: tinyData(4) })).rejects.toThrow(
      /height 8, tiny has 4/,
    );
  });

  test('a config that was edited since', async () => {
    await train('edited', { ...tinyConfig.gan, steps: 1 });
    const path = join(folder, 'edited', 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...config, lr: 0.5 }));
    await expect(resume('edited')).rejects.toThrow(code('ERR_CHECKPOINT'));
    await writeFile(path, JSON.stringify({ ...config, hidden: 9 }));
    await expect(resume('edited')).rejects.toThrow(/made with other options/);
  });

  test('a checkpoint with a truncated file or a state of another kind', async () => {
    await train('damaged', { ...tinyConfig.gan, steps: 1 });
    const checkpoint = join(folder, 'damaged', 'checkpoints', '000001');
    const state = JSON.parse(await readFile(join(checkpoint, 'state.json'), 'utf8'));
    await writeFile(join(checkpoint, 'state.json'), JSON.stringify({ ...state, optimizers: {} }));
    await expect(resume('damaged')).rejects.toThrow(/no optimizer state for "generator"/);
    await writeFile(join(checkpoint, 'state.json'), JSON.stringify({ ...state, data: { batches: -1 } }));
    await expect(resume('damaged')).rejects.toThrow(code('ERR_CHECKPOINT'));
    const weights = join(checkpoint, 'weights.safetensors');
    await writeFile(weights, (await readFile(weights)).subarray(0, 200));
    await expect(resume('damaged')).rejects.toThrow(code('ERR_FILE_FORMAT'));
  });
});
