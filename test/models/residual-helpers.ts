// What the tests of the models with residual networks share: tiny builds, and a run that learns and is
// resumed.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import type { ImageDims, ModelEntry } from '../../src/models/model.js';
import type { AnyModule } from '../../src/nn/module.js';
import { trainRun } from '../../src/train/run.js';
import { checkpointBytes, metricsOf, temporaryFolder } from '../train/helpers.js';

const folder = await temporaryFolder();

/** The smallest networks of a model. */
export function buildTiny(model: ModelEntry, dims: ImageDims, config: object = {}) {
  const built = model.build(model.schema.resolve({ baseWidth: 1, zSize: 6, ...config }, 'test'), dims);
  const { generator, discriminator } = built.networks;
  return { built, generator, discriminator };
}

/** How many modules of a kind there are in a network. */
export function kindsOf(network: AnyModule, kind: abstract new (...args: never[]) => AnyModule): number {
  return network.modules().filter((module) => module instanceof kind).length;
}

export function refuses(build: () => unknown, message: RegExp): void {
  expect(build).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  expect(build).toThrow(message);
}

/** Noisy squares, bright or dark by class. */
function squares() {
  const random = new HostRandom(1);
  const [count, side] = [24, 8];
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 2);
  const images = Uint8Array.from(
    { length: count * side * side },
    (_, i) => 160 * labels[Math.floor(i / (side * side))] + random.below(60),
  );
  const classes = ['dark', 'bright'];
  return memoryDataset({ name: 'squares', images, labels, classes, height: side, width: side, channels: 1 });
}

/**
 * Declares the tests of whole runs: against a generator that stands still D learns, both phases are replayed
 * from a recording, and a run that is stopped and resumed has the bytes of one that was not.
 */
export function learnsAndResumes(model: ModelEntry): void {
  const config = { batch: 4, baseWidth: 2, zSize: 6, samples: 4, seed: 5, device: 'cpu', saveEvery: 3 };

  test('a run is replayed, and D learns to tell the images of a generator that stands still', async () => {
    const out = join(folder, 'still');
    const eager: string[] = [];
    await trainRun({
      model: model.name,
      data: squares(),
      out,
      config: {
        ...config,
        steps: 40,
        lrGenerator: 0,
        lrDiscriminator: 1e-3,
        lrDecay: 'none',
        saveEvery: 100,
      },
      onEvent: (event) => {
        if (event.type === 'eager') eager.push(event.reason);
      },
    });
    expect(eager).toEqual([]);
    const metrics = (await metricsOf(out)) as Record<string, number>[];
    expect(metrics).toHaveLength(40);
    const mean = (rows: Record<string, number>[]) =>
      rows.map(({ lossD }) => lossD).reduce((a, b) => a + b) / rows.length;
    expect(mean(metrics.slice(-5))).toBeLessThan(mean(metrics.slice(0, 5)));
    for (const { lossD } of metrics) expect(Number.isFinite(lossD)).toBe(true);
  });

  test('a run that is resumed ends with the bytes of one that was not interrupted', async () => {
    const [whole, resumed] = [join(folder, 'whole'), join(folder, 'resumed')];
    const data = squares();
    const options = { model: model.name, data };
    const decay = { ...config, lrDecay: 'none' };
    await trainRun({ ...options, out: whole, config: { ...decay, steps: 6 } });
    await trainRun({ ...options, out: resumed, config: { ...decay, steps: 3 } });
    await trainRun({ ...options, resume: resumed, config: { steps: 6 } });
    const [a, b] = await Promise.all([whole, resumed].map((run) => checkpointBytes(run, 6)));
    expect(b.weights).toBe(a.weights);
    expect(b.optim).toBe(a.optim);
  });
}
