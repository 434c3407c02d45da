// Progressively grown networks: the schedule of growth, that a level sees what the whole network would, and
// what is saved. Numbers are compared with PyTorch in test/reference/style.test.ts.

import { describe, expect, test } from 'vitest';
import {
  Growth,
  imagesAt,
  ProgressiveDiscriminator,
  ProgressiveGenerator,
} from '../../src/networks/progressive.js';
import { EMA } from '../../src/optim/ema.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { avgPool2d, mean, mul, randn, resize, square, sub, tensor } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { mismatch } from '../tensor/numeric.js';
import { sameBits } from '../tensor/same-bits.js';

const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

const dims = { height: 12, width: 20, channels: 2 };
const small = { zSize: 6, baseWidth: 3, maxWidth: 4, stableSteps: 3, fadeSteps: 4 };

function at(growth: Growth, steps: number): void {
  scope(() => assign(growth.steps, tensor(Int32Array.of(steps), [])));
}

function pair(size = dims, options = small): [ProgressiveGenerator, ProgressiveDiscriminator] {
  return [new ProgressiveGenerator(size, options), new ProgressiveDiscriminator(size, options)];
}

const enlarged = (x: Tensor, factor: number) => (factor === 1 ? x : resize(x, { scaleFactor: factor }));

async function expectClose(got: Tensor, want: Tensor, relative = 1e-5): Promise<void> {
  expect(got.shape).toEqual(want.shape);
  expect(mismatch(await got.data(), await want.data(), relative, 1)).toBeUndefined();
}

describe('growth', () => {
  scoped('every level but the first fades in, and all are trained for a while', async () => {
    const growth = new Growth(3, { stableSteps: 3, fadeSteps: 4 });
    expect([0, 1, 2].map((level) => [growth.start(level), growth.end(level)])).toEqual([
      [0, 3],
      [3, 10],
      [10, undefined],
    ]);
    const reached: number[] = [];
    for (let step = 0; step < 16; step++) {
      reached.push(await growth.forward().item());
      growth.advance();
    }
    expect(reached).toEqual([0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1.25, 1.5, 1.75, 2, 2]);
  });

  scoped('one level is all there is to a small image', async () => {
    const growth = new Growth(1);
    growth.advance();
    expect([growth.start(0), growth.end(0), await growth.forward().item()]).toEqual([0, undefined, 0]);
  });

  test('impossible schedules are refused', () => {
    expect(() => new Growth(0)).toThrow(code('ERR_ARGUMENT'));
    expect(() => new Growth(2, { fadeSteps: 0 })).toThrow(
      /fadeSteps must be an integer of at least 1, got 0/,
    );
    expect(() => new Growth(2, { stableSteps: 1.5 })).toThrow(code('ERR_ARGUMENT'));
  });

  test('a replayed step moves on with every run', () =>
    sameBits(
      () => {
        const growth = new Growth(2, { stableSteps: 1, fadeSteps: 3 });
        return {
          fn: () => {
            const share = mul(growth.share(1), 1);
            growth.advance();
            return { share };
          },
          state: () => [growth.steps],
        };
      },
      () => [],
    ));
});

describe('a level sees what the whole network would', () => {
  // Of 3 levels, where the second and the third begin to fade in, are between, and have arrived.
  for (const [steps, level] of [
    [0, 0],
    [2, 0],
    [3, 1],
    [5, 1],
    [9, 1],
    [10, 2],
    [13, 2],
    [40, 2],
  ]) {
    scoped(`step ${steps}: level ${level}`, async () => {
      manualSeed(steps);
      const [g, d] = pair();
      at(g.growth, steps);
      at(d.growth, steps);
      const z = randn([3, 6]);
      const factor = 2 ** (2 - level);
      const images = g.at(level, z);
      expect(images.shape).toEqual([3, 12 / factor, 20 / factor, 2]);
      await expectClose(g.forward(z), enlarged(images, factor));
      await expectClose(d.forward(enlarged(images, factor)), d.at(level, images));
    });
  }
});

scoped('images of a level are averages, mixed while it fades in', async () => {
  manualSeed(1);
  const { growth } = new ProgressiveGenerator(dims, small);
  const x = randn([2, 12, 20, 2]);
  await expectClose(imagesAt(x, 0, growth), avgPool2d(x, 4));
  at(growth, 4);
  const half = avgPool2d(x, 2);
  const coarse = enlarged(avgPool2d(x, 4), 2);
  const mixed = sub(half, mul(sub(half, coarse), 0.75));
  await expectClose(imagesAt(x, 1, growth), mixed);
  at(growth, 7);
  await expectClose(imagesAt(x, 1, growth), half, 0);
  at(growth, 14);
  await expectClose(imagesAt(x, 2, growth), x, 0);
});

scoped('layers above the level have no part in it', async () => {
  manualSeed(2);
  const [g, d] = pair();
  at(g.growth, 5);
  at(d.growth, 5);
  for (const network of [g, d]) {
    const named = network.namedParameters();
    const { grads } = valueAndGrad(
      () => mean(square(d.at(1, g.at(1, randn([2, 6]))))),
      named.map(([, t]) => t),
    );
    for (const [i, [name]] of named.entries()) {
      const above = /(blocks\.1|RGB\.2)\./.test(name);
      // The bias of the last layer moves all logits alike.
      const largest = Math.max(...(await values(grads[i])).map(Math.abs));
      if (above) expect(largest, name).toBe(0);
      else expect(largest, name).toBeGreaterThan(0);
    }
  }
});

describe.each([
  { height: 28, width: 28, channels: 1, batch: 5 },
  { height: 7, width: 7, channels: 4, batch: 1 },
  { height: 6, width: 24, channels: 3, batch: 6 },
])('networks for $height x $width x $channels', ({ height, width, channels, batch }) => {
  scoped('make images, in evaluation within [-1, 1], and judge batches of any size', async () => {
    manualSeed(3);
    const [g, d] = pair({ height, width, channels });
    g.eval();
    for (const { weight } of g.toRGB) scope(() => assign(weight, mul(weight, 20)));
    const images = g.forward(randn([batch, 6]));
    expect(images.shape).toEqual([batch, height, width, channels]);
    for (const v of await images.data()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
    const logits = d.forward(images);
    expect(logits.shape).toEqual([batch, 1]);
    await expectClose(d.head(d.features(images)), logits, 0);
    for (const v of await logits.data()) expect(Number.isFinite(v)).toBe(true);
  });
});

scoped('a saved generator knows how far it has grown, and its average too', async () => {
  manualSeed(4);
  const [g] = pair();
  const ema = new EMA(g, { decay: 0.9 });
  for (let step = 1; step <= 12; step++) {
    g.growth.advance();
    ema.update();
  }
  const state = ema.stateDict();
  expect(await values(state['growth.steps'])).toEqual([12]);
  const copy = new ProgressiveGenerator(dims, small);
  expect(await copy.growth.forward().item()).toBe(0);
  copy.loadStateDict(state);
  expect(await copy.growth.forward().item()).toBe(1.5);
  const z = randn([2, 6]);
  await expectClose(
    copy.forward(z),
    ema.withAverage(() => g.forward(z)),
    0,
  );
  ema.dispose();
});

test('impossible sizes, options and levels are refused', () => {
  const large = { height: 34, width: 34, channels: 1 };
  expect(() => new ProgressiveGenerator(large, small)).toThrow(
    /pggan: .* got 34 x 34; try --height 40 --width 40/,
  );
  expect(() => new ProgressiveDiscriminator(large, small)).toThrow(code('ERR_CONFIG'));
  expect(() => new ProgressiveGenerator(dims, { ...small, zSize: 0 })).toThrow(code('ERR_ARGUMENT'));
  const [g, d] = pair();
  scope(() => {
    expect(() => g.at(3, randn([1, 6]))).toThrow(/level must be a whole number from 0 to 2, got 3/);
    expect(() => d.at(-1, randn([1, 3, 5, 2]))).toThrow(code('ERR_ARGUMENT'));
  });
});
