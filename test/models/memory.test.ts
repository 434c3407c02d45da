// Techniques with a memory in whole runs: a run that was stopped and continued has the bits of one that was
// not, and replayed training those of eager training.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { modelEntry } from '../../src/models/index.js';
import { uniform } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { readTensors } from '../../src/train/checkpoint.js';
import type { BatchSource } from '../../src/train/phase.js';
import { trainRun } from '../../src/train/run.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyConfig, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();

const techniques: [string, Record<string, unknown>, string[]][] = [
  ['ada', { augment: 'ada', adaTarget: -1, adaKimg: 0.1 }, ['augment.probability']],
  ['lecam', { lecam: 0.1 }, ['lecam.begun']],
  ['historical averaging', { historicalAveraging: 0.1 }, ['pastGenerator.count', 'pastDiscriminator.count']],
  ['replay pool', { replayPool: 10 }, ['pool.count']],
  ['instance noise', { instanceNoise: 0.3, instanceNoiseSteps: 9 }, ['noise.taken']],
  ['virtual batch norm', { generatorNorm: 'virtual' }, ['reference.z']],
  [
    'all of them, with two steps of D',
    {
      augment: 'ada',
      adaTarget: -1,
      adaKimg: 0.1,
      lecam: 0.1,
      historicalAveraging: 0.1,
      replayPool: 10,
      instanceNoise: 0.3,
      instanceNoiseSteps: 9,
      generatorNorm: 'virtual',
      labelFlip: 0.2,
      dSteps: 2,
      accumulate: 2,
    },
    ['augment.probability', 'pool.images'],
  ],
];

/** The same noise for every trainer. */
class Noise implements BatchSource {
  count = 0;
  async next() {
    this.count += 1;
    return { images: uniform([4, 8, 8, 1], { low: -1, high: 1 }), size: 4 };
  }
  state = () => this.count;
  restore(state: unknown) {
    this.count = state as number;
  }
}

describe.each(techniques)('%s', (name, options, kept) => {
  // Fast enough for D to tell real images from others within the run.
  const config = { ...tinyConfig.gan, lr: 0.02, ...options };

  test('12 steps are the same as 6 and 6', async () => {
    const [whole, parts] = ['whole', 'parts'].map((run) => join(folder, `${name}-${run}`));
    await trainRun({ model: 'gan', data: tinyData(), out: whole, config: { ...config, steps: 12 } });
    await trainRun({ model: 'gan', data: tinyData(), out: parts, config: { ...config, steps: 6 } });
    await trainRun({ model: 'gan', data: tinyData(), resume: parts, config: { steps: 12 } });
    expect(await metricsOf(parts)).toEqual(await metricsOf(whole));
    expect(await checkpointBytes(parts, 12)).toEqual(await checkpointBytes(whole, 12));
  });

  test('replayed training has the bits of eager training', async () => {
    const train = async (capture: boolean) => {
      manualSeed(6);
      const { schema, build } = modelEntry('gan');
      const built = build(schema.resolve(config, 'test'), { height: 8, width: 8, channels: 1 });
      const first = await readTensors(built.networks.generator.stateDict());
      const reports: StepReport[] = [];
      const trainer = new Trainer({
        ...built,
        phases: built.phases.map((phase) => ({ ...phase, capture })),
        data: new Noise(),
        callbacks: [{ onReport: (report) => void reports.push(report) }],
      });
      await trainer.run({ steps: 12 });
      const states = Object.entries(built.networks).flatMap(([network, module]) =>
        Object.entries(module.stateDict()).map(([key, t]) => [`${network}.${key}`, t] as const),
      );
      const state = await readTensors(Object.fromEntries(states));
      const replaying = Object.values(trainer.captured).map((phase) => phase.replaying);
      trainer.dispose();
      return { state, first, replaying, losses: reports.map(({ losses }) => losses) };
    };
    const [eager, replayed] = [await train(false), await train(true)];
    expect(new Set(eager.replaying)).toEqual(new Set([false]));
    expect(new Set(replayed.replaying)).toEqual(new Set([true]));
    expect(replayed.first).toEqual(eager.first);
    expect(replayed.losses).toEqual(eager.losses);
    expect(replayed.state).toEqual(eager.state);
    // There is something to remember, and it is in the state.
    for (const key of kept) expect(Math.max(...replayed.state.get(key)!.data), key).toBeGreaterThan(0);
  });
});
