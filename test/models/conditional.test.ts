// CGAN and ACGAN, and the networks that make them conditional. Their steps are compared with PyTorch's in
// conditional-steps.test.ts.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import type { BuiltModel, ImageDims } from '../../src/models/model.js';
import { modelEntry } from '../../src/models/registry.js';
import {
  ClassifyingDiscriminator,
  LabelledGenerator,
  LabelledPerceptronDiscriminator,
} from '../../src/networks/conditional.js';
import { dcganDiscriminator } from '../../src/networks/dcgan.js';
import { Module } from '../../src/nn/module.js';
import { randn, tensor, uniform } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { loadGenerator } from '../../src/train/generator.js';
import type { TrainBatch } from '../../src/train/phase.js';
import { trainRun } from '../../src/train/run.js';
import { metricsOf, temporaryFolder } from '../train/helpers.js';

const folder = await temporaryFolder();
const labelsOf = (...labels: number[]) => tensor(Int32Array.from(labels), [labels.length]);
const code = (name: string) => expect.objectContaining({ code: name });
const tiny: Record<string, object> = { cgan: { hidden: 4, zSize: 5 }, acgan: { baseWidth: 2, zSize: 5 } };

function build(name: string, dims: ImageDims, options: object = {}): BuiltModel {
  manualSeed(1);
  const { schema, build } = modelEntry(name);
  return build(schema.resolve({ ...tiny[name], ...options }, 'test'), dims);
}

function batchOf({ height, width, channels }: ImageDims, labels: Tensor): TrainBatch {
  const [size] = labels.shape;
  return { images: uniform([size, height, width, channels], { low: -1, high: 1 }), labels, size };
}

function zero(parameters: Tensor[]): void {
  assign(
    parameters,
    parameters.map((t) => t.mul(0)),
  );
}

/** What stands where a generator would. */
class Echo extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

describe('LabelledGenerator', () => {
  const table = [1, 2, 3, 4, 5, 6];

  test.each([
    ['concat', [10, 20, 5, 6, 30, 40, 1, 2]],
    ['product', [50, 120, 30, 80]],
  ] as const)('%s: latents meet the vector of their class', (join, expected) =>
    scope(async () => {
      const generator = new LabelledGenerator(new Echo(), 3, 2, join);
      assign(generator.embedding.weight, tensor(table, [3, 2]));
      const z = tensor([10, 20, 30, 40], [2, 2]);
      expect([...(await generator.forward(z, labelsOf(2, 0)).data())]).toEqual(expected);
      const mixed = generator.forward(z, tensor([0.5, 0.5, 0, 0, 0, 1], [2, 3]));
      expect([...(await mixed.data())]).toEqual(
        join === 'concat' ? [10, 20, 2, 3, 30, 40, 5, 6] : [20, 60, 150, 240],
      );
      expect(() => generator.forward(z)).toThrow(code('ERR_ARGUMENT'));
      expect(() => generator.forward(z)).toThrow(/generator is conditional: expected labels/);
    }),
  );
});

test('the perceptron sees pixels, keeps every unit in evaluation, and tells labels apart', () =>
  scope(async () => {
    const dims = { height: 3, width: 5, channels: 4 };
    const d = new LabelledPerceptronDiscriminator(dims, { classes: 3, hidden: 8 });
    const x = randn([2, 3, 5, 4]);
    expect([...(await d.features(x).data())]).toEqual([...(await x.data())]);
    const logits = async (labels: Tensor) => [...(await d.forward(x, labels).data())];
    const [first, second] = [await logits(labelsOf(0, 1)), await logits(labelsOf(0, 1))];
    expect(first).not.toEqual(second);
    d.eval();
    const [third, fourth] = [await logits(labelsOf(0, 1)), await logits(labelsOf(0, 1))];
    expect(third).toEqual(fourth);
    const other = await logits(labelsOf(2, 1));
    expect(other[0]).not.toBe(third[0]);
    expect(other[1]).toBe(third[1]);
    expect(() => d.forward(x)).toThrow(/discriminator is conditional: expected labels/);
    expect(() => new LabelledPerceptronDiscriminator(dims, { classes: 3, dropout: 1 })).toThrow(
      code('ERR_ARGUMENT'),
    );
  }));

test.each(['none', 'discrimination', 'stddev'] as const)(
  'a classifier sits beside the logits of a discriminator with minibatch %s',
  (minibatch) =>
    scope(() => {
      const base = dcganDiscriminator({ height: 8, width: 8, channels: 1 }, { baseWidth: 2, minibatch });
      const d = new ClassifyingDiscriminator(base, 7);
      const features = d.features(randn([3, 8, 8, 1]));
      expect(features.shape).toEqual([3, base.featureSize]);
      expect(d.head(features).shape).toEqual([3, 1]);
      expect(d.classify(features).shape).toEqual([3, 7]);
    }),
);

const parts: Record<string, string[][]> = {
  cgan: [['logitReal', 'logitFake', 'loss'], ['loss']],
  acgan: [
    ['scoreReal', 'scoreFake', 'classReal', 'classFake', 'loss'],
    ['classG', 'loss'],
  ],
};

describe.each(['cgan', 'acgan'])('%s', (name) => {
  test.each([
    { height: 12, width: 20, channels: 1, classes: 2, batch: 3 },
    { height: 28, width: 28, channels: 3, classes: 11, batch: 1 },
    { height: 16, width: 4, channels: 4, classes: 1, batch: 2 },
  ])('trains on $batch images of $height x $width x $channels, $classes classes', ({ batch, ...dims }) =>
    scope(async () => {
      const built = build(name, dims);
      const { networks, latent, phases } = built;
      expect(built.classes).toBe(dims.classes);
      const labels = labelsOf(...Array.from({ length: batch }, (_, i) => i % dims.classes));
      const images = networks.generator.forward(latent.sample(batch), labels);
      expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
      for (const [i, phase] of phases.entries()) {
        const result = phase.loss(batchOf(dims, labels), networks);
        expect(Object.keys(result).sort()).toEqual(parts[name][i].sort());
        for (const value of Object.values(result)) expect(Number.isFinite(await value.item())).toBe(true);
      }
    }),
  );

  test('one latent makes another image for another class', () =>
    scope(async () => {
      const { networks, latent } = build(name, { height: 8, width: 8, channels: 1, classes: 3 });
      const z = latent.sample(2);
      networks.generator.eval();
      const image = async (...labels: number[]) => [
        ...(await networks.generator.forward(z, labelsOf(...labels)).data()),
      ];
      const [a, b] = [await image(0, 1), await image(2, 1)];
      expect(b.slice(0, 64)).not.toEqual(a.slice(0, 64));
      expect(b.slice(64)).toEqual(a.slice(64));
    }));

  test('needs classes, and says what has them', () => {
    const unlabelled = () => build(name, { height: 8, width: 8, channels: 1 });
    expect(unlabelled).toThrow(code('ERR_CONFIG'));
    expect(unlabelled).toThrow(new RegExp(`^${name} learns from labels, and these images have none`));
  });

  test('keeps no images without their labels', () => {
    expect(() => build(name, { height: 8, width: 8, channels: 1, classes: 2 }, { replayPool: 8 })).toThrow(
      /replayPool keeps no labels/,
    );
  });
});

test('cgan makes images of any size', () =>
  scope(() => {
    for (const [height, width] of [
      [1, 1],
      [7, 5],
    ]) {
      const { networks, latent } = build('cgan', { height, width, channels: 1, classes: 2 });
      expect(networks.generator.forward(latent.sample(2), labelsOf(0, 1)).shape).toEqual([
        2,
        height,
        width,
        1,
      ]);
    }
  }));

test('acgan: to a classifier that knows nothing, every class is as likely; the weights say how much that matters', () =>
  scope(async () => {
    const dims = { height: 8, width: 8, channels: 1, classes: 5 };
    const weights = { classWeight: 2, classWeightFake: 3, classWeightGenerator: 0 };
    const { networks, phases } = build('acgan', dims, weights);
    zero((networks.discriminator as ClassifyingDiscriminator).classifier.parameters());
    const [d, g] = phases.map((phase) => phase.loss(batchOf(dims, labelsOf(4, 0, 2)), networks));
    expect(await d.classReal.item()).toBeCloseTo(2 * Math.log(5), 5);
    expect(await d.classFake.item()).toBeCloseTo(3 * Math.log(5), 5);
    expect(await g.classG.item()).toBe(0);
  }));

/** Dark images of class 0, bright ones of class 1. */
function darkAndBright() {
  const labels = Uint8Array.from({ length: 32 }, (_, i) => i % 2);
  const images = Uint8Array.from({ length: 32 * 64 }, (_, i) => {
    const noise = (i * 37) % 40;
    return labels[Math.floor(i / 64)] === 0 ? noise : 255 - noise;
  });
  return memoryDataset({
    name: 'dark',
    images,
    height: 8,
    width: 8,
    channels: 1,
    labels,
    classes: ['dark', 'bright'],
  });
}

test.each(['cgan', 'acgan'])('%s makes the class that it is asked for', async (name) => {
  const out = join(folder, name);
  const size = { cgan: { hidden: 16 }, acgan: { baseWidth: 8 } }[name];
  const config = { ...size, batch: 16, zSize: 8, steps: 500, ema: 0.9, samples: 4, seed: 2, device: 'cpu' };
  await trainRun({ model: name, data: darkAndBright(), out, config: { ...config, lr: 1e-3 } });
  const generator = await loadGenerator(out, { device: 'cpu' });
  const pixels = await generator.generate(await generator.latents(20, 3), 20);
  generator.dispose();
  for (let i = 0; i < 20; i++) {
    const image = pixels.subarray(64 * i, 64 * (i + 1));
    const brightness = image.reduce((sum, value) => sum + value, 0) / 64;
    // Nearer to the images of its class than to those of the other.
    expect(brightness > 127.5).toBe(i % 2 === 1);
  }
  expect(await metricsOf(out)).toHaveLength(500);
});
