// What the tests of the models with residual networks share: tiny builds, and a run that learns.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import type { ImageDims, ModelEntry } from '../../src/models/model.js';
import type { AnyModule } from '../../src/nn/module.js';
import { trainRun } from '../../src/train/run.js';
import { metricsOf, temporaryFolder } from '../train/helpers.js';

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

/** Declares the test of a whole run: replayed from a recording, with a D that learns while G stands still. */
export function learns(model: ModelEntry): void {
  const config = { batch: 4, baseWidth: 2, zSize: 6, samples: 4, seed: 5, device: 'cpu' };

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
}
