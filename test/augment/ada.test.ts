// Adaptive augmentation: no change at all for p = 0, how often each policy changes an image, what it leaves alone, how p
// moves, gradients to second order, replay. The transforms' formulas are compared with PyTorch in
// reference/techniques.test.ts.

import { describe, expect, test } from 'vitest';
import { AdaptiveAugment, type AdaptivePolicy } from '../../src/augment/index.js';
import { broadcastTo, full, max, min, randn, tensor, zeros } from '../../src/tensor/ops/index.js';
import { withPrecision } from '../../src/tensor/precision.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { sameBits } from '../tensor/same-bits.js';
import { expectAffine } from './linear-map.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

describe('forward', () => {
  for (const shape of [
    [1, 1, 1, 1],
    [3, 8, 8, 3],
    [2, 5, 9, 4],
    [2, 7, 3, 1],
  ]) {
    scoped(`[${shape}] passes unchanged with p = 0 and changes with p = 1`, async () => {
      const x = randn(shape);
      const before = await x.data();
      expect(await new AdaptiveAugment().forward(x).data()).toEqual(before);
      const after = new AdaptiveAugment({ probability: 1 }).forward(x);
      expect(after.shape).toEqual(shape);
      expect(await after.data()).not.toEqual(before);
    });
  }

  /** The share of images that come out as they are. */
  const untouched: Record<string, (p: number) => number> = {
    // No mirroring, no turn, and no move, also when it is one by 0 pixels: a quarter of them along each axis of 16.
    blit: (p) => (1 - p / 2) * (1 - (3 / 4) * p) * (1 - (15 / 16) * p),
    // Scaling, two turns that together count as one, scaling of one axis, moving.
    geom: (p) => (1 - p) ** 4,
    color: (p) => (1 - p) ** 4 * (1 - p / 2),
  };
  untouched.bg = (p) => untouched.blit(p) * untouched.geom(p);
  untouched.bgc = (p) => untouched.bg(p) * untouched.color(p);
  for (const [policy, share] of Object.entries(untouched)) {
    for (const p of [0.05, 0.3]) {
      scoped(`${policy} changes as many images as p = ${p} says`, async () => {
        const [n, size] = [3000, 16 * 16 * 3];
        const one = randn([1, 16, 16, 3]);
        const augment = new AdaptiveAugment({
          policy: policy as AdaptivePolicy,
          probability: p,
          generator: new Generator(8),
        });
        const values = await augment.forward(broadcastTo(one, [n, 16, 16, 3])).data();
        const original = await one.data();
        let same = 0;
        for (let k = 0; k < n; k++) same += Number(original.every((v, i) => values[k * size + i] === v));
        const wanted = share(p);
        // Five standard deviations.
        expect(Math.abs(same / n - wanted)).toBeLessThan(5 * Math.sqrt((wanted * (1 - wanted)) / n));
      });
    }
  }

  scoped('geometry mirrors at the border: it makes no new values, of a flat image none at all', async () => {
    const augment = new AdaptiveAugment({ policy: 'bg', probability: 1 });
    const flat = await augment.forward(full([20, 9, 6, 3], 0.25)).data();
    for (const v of flat) expect(v).toBeCloseTo(0.25, 6);
    const x = randn([20, 9, 6, 3]);
    const y = augment.forward(x);
    expect(await max(y).item()).toBeLessThanOrEqual((await max(x).item()) + 1e-5);
    expect(await min(y).item()).toBeGreaterThanOrEqual((await min(x).item()) - 1e-5);
  });

  scoped('flips, quarter turns and moves by pixels keep pixels whole', async () => {
    const augment = new AdaptiveAugment({ policy: 'blit', probability: 1 });
    const x = tensor(
      Float32Array.from({ length: 256 }, (_, i) => i),
      [1, 16, 16, 1],
    );
    const values = await augment.forward(broadcastTo(x, [50, 16, 16, 1])).data();
    for (const v of values) expect(Math.abs(v - Math.round(v))).toBeLessThan(1e-3);
  });

  scoped('colour leaves transparency and the place of pixels alone', async () => {
    const augment = new AdaptiveAugment({ policy: 'color', probability: 1 });
    const x = randn([4, 3, 3, 4]);
    const [before, after] = [await x.data(), await augment.forward(x).data()];
    for (let i = 3; i < before.length; i += 4) expect(after[i]).toBe(before[i]);
    const flat = augment.forward(full([4, 3, 3, 1], 0.5));
    expect(await max(flat, [1, 2]).data()).toEqual(await min(flat, [1, 2]).data());
  });

  scoped('gradients of both orders, image by image', async () => {
    for (const shape of [
      [3, 8, 8, 3],
      [2, 5, 9, 4],
      [1, 7, 4, 1],
    ])
      await expectAffine(
        (x) => new AdaptiveAugment({ probability: 0.7, generator: new Generator(3) }).forward(x),
        shape,
      );
  });

  scoped('a run in bf16 augments in f32', async () => {
    const x = randn([4, 8, 8, 3]);
    const run = () => new AdaptiveAugment({ probability: 0.8, generator: new Generator(4) }).forward(x);
    expect(await withPrecision('bf16', run).data()).toEqual(await run().data());
  });

  test('refuses other shapes and impossible options', () => {
    const augment = new AdaptiveAugment();
    for (const shape of [
      [4, 4, 3],
      [1, 4, 4, 2],
    ])
      expect(() => augment.forward(zeros(shape))).toThrow(code('ERR_SHAPE'));
    for (const options of [
      { policy: 'all' as AdaptivePolicy },
      { probability: 1.1 },
      { probability: Number.NaN },
      { target: 1.01 },
      { rampImages: 0 },
      { rampImages: Number.POSITIVE_INFINITY },
      { interval: 0 },
    ])
      expect(() => new AdaptiveAugment(options)).toThrow(code('ERR_ARGUMENT'));
  });
});

describe('update', () => {
  const sure = tensor([[2], [1], [3], [0.5]]);
  // Three of five above zero: r_t is 0.2.
  const unsure = tensor([[2], [-1], [3], [0.5], [-2]]);

  scoped('moves p with every interval by the share of images seen', async () => {
    const augment = new AdaptiveAugment({ rampImages: 80, interval: 3 });
    const path: number[] = [];
    for (let i = 0; i < 6; i++) {
      augment.update(sure);
      path.push(await augment.probability.item());
    }
    expect(path).toEqual([0, 0, 12 / 80, 12 / 80, 12 / 80, 24 / 80].map(Math.fround));
    for (let i = 0; i < 3; i++) augment.update(unsure);
    expect(await augment.probability.item()).toBeCloseTo(9 / 80, 6);
  });

  scoped('takes the mean over the interval and stays in [0, 1]', async () => {
    const mixed = new AdaptiveAugment({ rampImages: 9, interval: 2, target: 0.5 });
    // (4 + 1) / 9 is above one half, though the last batch by itself is below.
    mixed.update(sure);
    mixed.update(unsure);
    expect(await mixed.probability.item()).toBe(1);
    mixed.update(sure);
    mixed.update(sure);
    expect(await mixed.probability.item()).toBe(1);
    const low = new AdaptiveAugment({ rampImages: 1, interval: 1 });
    low.update(unsure);
    expect(await low.probability.item()).toBe(0);
    // At the target exactly, nothing moves.
    const still = new AdaptiveAugment({ probability: 0.5, interval: 1, target: 0 });
    still.update(tensor([[1], [-1]]));
    expect(await still.probability.item()).toBe(0.5);
  });

  scoped('its state is saved', async () => {
    const augment = new AdaptiveAugment({ rampImages: 100 });
    augment.update(sure);
    const other = new AdaptiveAugment({ rampImages: 100 });
    other.loadStateDict(augment.stateDict());
    for (const one of [augment, other]) for (let i = 0; i < 3; i++) one.update(sure);
    expect(await other.probability.item()).toBe(await augment.probability.item());
    expect(await other.probability.item()).toBeCloseTo(0.16, 6);
  });
});

test('a recording augments with draws of its own and with the p of the moment', async () => {
  await sameBits(
    () => {
      const augment = new AdaptiveAugment({ probability: 0.4, rampImages: 64, interval: 2 });
      return {
        fn: (x) => {
          const y = augment.forward(x);
          augment.update(y.mean([1, 2, 3]));
          return y;
        },
        state: () => Object.values(augment.stateDict()),
      };
    },
    () => [randn([4, 8, 8, 3])],
    8,
  );
});
