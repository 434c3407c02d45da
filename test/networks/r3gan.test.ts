// R3GAN's networks: shapes for any size they promise, what their first weights make of them, classes, and
// what is refused. Numbers against PyTorch's are in test/models/pyramid-steps.test.ts.

import { describe, expect, test } from 'vitest';
import { R3ganDiscriminator, R3ganGenerator, type R3ganOptions } from '../../src/networks/r3gan.js';
import { Conv2d } from '../../src/nn/conv.js';
import type { Module } from '../../src/nn/module.js';
import { add, concat, mean, mul, randn, square, tensor } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const code = (c: string) => expect.objectContaining({ code: c });
const dims28 = { height: 28, width: 28, channels: 1 };

/** Gives every weight some noise, so that the layers that begin at zero do something. */
function stir(network: Module): void {
  scope(() => {
    const weights = network.parameters();
    const generator = new Generator(2);
    assign(
      weights,
      weights.map((t) => add(t, mul(randn(t.shape, { generator }), 0.2))),
    );
  });
}

async function expectEqual(got: Tensor, want: Tensor, digits = 4): Promise<void> {
  expect(got.shape).toEqual(want.shape);
  const wanted = await want.data();
  (await got.data()).forEach((v, i) => {
    expect(v).toBeCloseTo(wanted[i], digits);
  });
}

describe.each([
  { height: 28, width: 28, channels: 1, batch: 3, base: [7, 7], widths: [16, 8, 4] },
  { height: 32, width: 64, channels: 3, batch: 1, base: [4, 8], widths: [16, 16, 8, 4] },
  { height: 48, width: 24, channels: 4, batch: 2, base: [6, 3], widths: [16, 16, 8, 4] },
  { height: 5, width: 7, channels: 3, batch: 1, base: [5, 7], widths: [4] },
])('$height x $width x $channels, batch $batch', ({ batch, base, widths, ...dims }) => {
  const options: R3ganOptions = { baseWidth: 4, maxWidth: 16, cardinality: 2 };

  test('images and logits have their shapes, stages their widths, whatever the class', () =>
    scope(async () => {
      for (const classes of [undefined, 3]) {
        const g = new R3ganGenerator(dims, 6, { ...options, classes });
        const d = new R3ganDiscriminator(dims, { ...options, classes });
        const labels =
          classes &&
          tensor(
            Int32Array.from({ length: batch }, (_, i) => i % 3),
            [batch],
          );
        const condition: Tensor[] = labels ? [labels] : [];
        const images = g.forward(randn([batch, 6]), ...condition);
        expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
        expect(d.forward(images, ...condition).shape).toEqual([batch, 1]);
        expect(d.features(images).shape).toEqual([batch, widths[0]]);
        expect(g.basis.basis.shape).toEqual([...base, widths[0]]);
        const mixers = g.modules().filter((m): m is Conv2d => m instanceof Conv2d && m.weight.shape[1] === 3);
        expect(mixers.map((m) => m.weight.shape)).toEqual(
          widths.flatMap((w) => [1, 2].map(() => [2 * w, 3, 3, w])),
        );
      }
    }));
});

test('blocks begin as identities: the first images are linear in the latents, later ones are not', () =>
  scope(async () => {
    manualSeed(1);
    const g = new R3ganGenerator(dims28, 6, { baseWidth: 4, maxWidth: 8 });
    const [a, b] = [randn([2, 6]), randn([2, 6])];
    const gap = () =>
      mean(square(add(g.forward(a), g.forward(b)).sub(g.forward(add(a, b))))).div(mean(square(g.forward(a))));
    expect(await gap().item()).toBeLessThan(1e-9);
    stir(g);
    expect(await gap().item()).toBeGreaterThan(1e-4);
  }));

test('first weights have the deviations of Fixup, and the last layer of a block none', async () => {
  manualSeed(3);
  const g = new R3ganGenerator(dims28, 64, { baseWidth: 64, maxWidth: 64, blocks: 2 });
  const deviation = async (t: Tensor) => Math.sqrt(await scope(() => mean(square(t))).item());
  const convolutions = g.modules().filter((m): m is Conv2d => m instanceof Conv2d);
  // 3 stages of 2 blocks; groups of 16 channels.
  const gain = Math.sqrt(2 / 1.04) * 6 ** -0.25;
  const [expanding, mixing, projecting] = convolutions;
  expect((await deviation(expanding.weight)) / (gain / Math.sqrt(64))).toBeCloseTo(1, 1);
  expect(mixing.weight.shape).toEqual([128, 3, 3, 16]);
  expect((await deviation(mixing.weight)) / (gain / Math.sqrt(9 * 16))).toBeCloseTo(1, 1);
  expect(await deviation(projecting.weight)).toBe(0);
  expect((await deviation(g.basis.linear.weight)) / (1 / Math.sqrt(64))).toBeCloseTo(1, 1);
  g.dispose();
});

test('the discriminator judges each image by itself', () =>
  scope(async () => {
    const d = new R3ganDiscriminator(dims28, { baseWidth: 4, maxWidth: 8 });
    stir(d);
    const [a, b] = [randn([1, 28, 28, 1]), randn([2, 28, 28, 1])];
    await expectEqual(d.forward(concat([a, b], 0)), concat([d.forward(a), d.forward(b)], 0));
  }));

test('with classes the logit is the inner product of the scores and the embedding of the class', () =>
  scope(async () => {
    const d = new R3ganDiscriminator(dims28, { baseWidth: 4, maxWidth: 8, classes: 3, embedding: 5 });
    const g = new R3ganGenerator(dims28, 6, { baseWidth: 4, maxWidth: 8, classes: 3, embedding: 5 });
    const x = randn([2, 28, 28, 1]);
    const labels = tensor(Int32Array.of(2, 0), [2]);
    const features = d.features(x);
    const scores = await d.output.forward(features).data();
    const table = await d.embedding!.weight.data();
    const logits = await d.forward(x, labels).data();
    [2, 0].forEach((label, i) => {
      let inner = 0;
      for (let k = 0; k < 5; k++) inner += scores[5 * i + k] * table[5 * label + k];
      expect(logits[i]).toBeCloseTo(inner, 5);
    });
    const z = randn([1, 6]);
    const images = [0, 1].map((label) => g.forward(z, tensor(Int32Array.of(label), [1])));
    expect(await mean(square(images[0].sub(images[1]))).item()).toBeGreaterThan(1e-4);
    expect(() => g.forward(z)).toThrow(code('ERR_ARGUMENT'));
    expect(() => d.forward(x)).toThrow(/the classes need labels/);
  }));

test('images are held in [-1, 1] in evaluation only', () =>
  scope(async () => {
    const g = new R3ganGenerator(dims28, 6, { baseWidth: 4, maxWidth: 8 });
    const z = mul(randn([4, 6]), 10);
    const largest = async () => Math.max(...(await g.forward(z).data()).map(Math.abs));
    expect(await largest()).toBeGreaterThan(1);
    g.eval();
    expect(await largest()).toBe(1);
  }));

test('the same seed makes the same networks', async () => {
  const weights = async () => {
    manualSeed(11);
    const net = new R3ganGenerator(dims28, 4, { baseWidth: 2, maxWidth: 4 });
    return Promise.all(net.parameters().map(async (t) => Array.from(await t.data())));
  };
  expect(await weights()).toEqual(await weights());
});

test.each([
  [{ height: 30, width: 28, channels: 1 }, {}, 'ERR_CONFIG', /30 x 28; try --height 32 --width 28/],
  [{ height: 2, width: 2, channels: 1 }, {}, 'ERR_CONFIG', /got 2 x 2/],
  [dims28, { baseWidth: 5, cardinality: 4 }, 'ERR_CONFIG', /10 hidden channels .* 4 groups/],
  [dims28, { blocks: 0 }, 'ERR_ARGUMENT', /blocks must be an integer of at least 1, got 0/],
  [dims28, { classes: 0 }, 'ERR_ARGUMENT', /classes must be an integer of at least 1, got 0/],
  [{ ...dims28, channels: 0 }, {}, 'ERR_ARGUMENT', /channels must be/],
])('%o with %o is refused', (dims, options, errorCode, message) => {
  for (const make of [
    () => new R3ganGenerator(dims, 8, options),
    () => new R3ganDiscriminator(dims, options),
  ]) {
    expect(make).toThrow(code(errorCode));
    expect(make).toThrow(message);
  }
});
