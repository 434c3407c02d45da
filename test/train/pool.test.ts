// The pool of earlier images and the noise that dies away: their rules with images that can be told apart, saving, replay.

import { describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { broadcastTo, mul, randn, reshape, sum, tensor, zeros } from '../../src/tensor/ops/index.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { InstanceNoise, ReplayPool } from '../../src/train/pool.js';
import { sameBits } from '../tensor/same-bits.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

const shape = [2, 3, 1];
const pixels = 6;
/** One image for each number, all of its pixels that number. */
const images = (numbers: number[]): Tensor =>
  broadcastTo(reshape(tensor(numbers, [numbers.length]), [-1, 1, 1, 1]), [numbers.length, ...shape]);
/** The numbers again, once all pixels of each image are known to agree. */
async function numbersOf(t: Tensor): Promise<number[]> {
  const values = await t.data();
  return Array.from({ length: t.shape[0] }, (_, k) => {
    const image = values.subarray(k * pixels, (k + 1) * pixels);
    expect(new Set(image).size).toBe(1);
    return image[0];
  });
}

describe('ReplayPool', () => {
  scoped('passes images while there is room, and those for which there is none', async () => {
    const pool = new ReplayPool(5, shape);
    expect(await numbersOf(pool.forward(images([1, 2, 3])))).toEqual([1, 2, 3]);
    expect(await pool.count.item()).toBe(3);
    expect(await numbersOf(pool.forward(images([4, 5, 6])))).toEqual([4, 5, 6]);
    expect(await pool.count.item()).toBe(5);
    expect(await numbersOf(pool.images)).toEqual([1, 2, 3, 4, 5]);
  });

  scoped('once full, exchanges half of the images, and none is ever lost or doubled', async () => {
    const [capacity, batch, calls] = [6, 4, 400];
    const pool = new ReplayPool(capacity, shape, { generator: new Generator(2) });
    pool.forward(images([1, 2, 3, 4]));
    pool.forward(images([5, 6]));
    let stored = [1, 2, 3, 4, 5, 6];
    let exchanged = 0;
    const ages: number[] = [];
    for (let call = 0; call < calls; call++) {
      const given = Array.from({ length: batch }, (_, i) => 7 + call * batch + i);
      const got = await numbersOf(pool.forward(images(given)));
      for (const [i, number] of got.entries()) {
        if (number === given[i]) continue;
        exchanged += 1;
        ages.push(call - Math.floor((number - 7) / batch));
        expect(stored).toContain(number);
        stored = stored.map((n) => (n === number ? given[i] : n));
      }
      expect(await numbersOf(pool.images)).toEqual(stored);
    }
    expect(await pool.count.item()).toBe(capacity);
    const share = exchanged / (calls * batch);
    // Five standard deviations.
    expect(Math.abs(share - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / (calls * batch)));
    // Two of six leave in each call: an image stays three calls on average.
    expect(ages.reduce((a, b) => a + b) / ages.length).toBeCloseTo(3, 0);
  });

  scoped('a batch larger than the pool, and a pool of one image', async () => {
    const pool = new ReplayPool(2, shape, { generator: new Generator(1) });
    expect(await numbersOf(pool.forward(images([1, 2, 3, 4, 5])))).toEqual([1, 2, 3, 4, 5]);
    expect(await numbersOf(pool.images)).toEqual([1, 2]);
    const got = await numbersOf(pool.forward(images([6, 7, 8, 9])));
    expect(got.slice(2)).toEqual([8, 9]);
    const all = [...got.slice(0, 2), ...(await numbersOf(pool.images))];
    expect(all.sort((a, b) => a - b)).toEqual([1, 2, 6, 7]);

    const one = new ReplayPool(1, shape);
    const out: number[] = [];
    for (let i = 1; i <= 40; i++) out.push(...(await numbersOf(one.forward(images([i])))));
    out.push(...(await numbersOf(one.images)));
    // The first image came out when it went in, and stays until it is exchanged.
    expect(out.sort((a, b) => a - b)).toEqual([1, ...Array.from({ length: 40 }, (_, i) => i + 1)]);
  });

  scoped('lets no gradient through, saves its images, and refuses others', async () => {
    const pool = new ReplayPool(3, shape);
    const x = randn([2, ...shape]);
    const { grads } = valueAndGrad((at) => sum(mul(pool.forward(at), at)), [x]);
    expect(await grads[0].data()).toEqual(await x.data());
    const other = new ReplayPool(3, shape);
    other.loadStateDict(pool.stateDict());
    expect(await other.images.data()).toEqual(await pool.images.data());
    expect(await other.count.item()).toBe(2);
    for (const wrong of [zeros([2, 3, 2, 1]), zeros([2, 3, 1])])
      expect(() => pool.forward(wrong)).toThrow(code('ERR_SHAPE'));
    for (const capacity of [0, 1.5, Number.NaN])
      expect(() => new ReplayPool(capacity, shape)).toThrow(code('ERR_ARGUMENT'));
  });

  test('a recording exchanges other images in every run', async () => {
    await sameBits(
      () => {
        const pool = new ReplayPool(5, shape);
        return { fn: (x) => pool.forward(x), state: () => Object.values(pool.stateDict()) };
      },
      () => [randn([3, ...shape])],
      8,
    );
  });
});

describe('InstanceNoise', () => {
  scoped('adds noise of the deviation it says, which falls to 0 and stays there', async () => {
    const noise = new InstanceNoise(0.3, 7);
    const x = randn([2, 3, 3, 1]);
    for (let step = 0; step <= 9; step++) {
      const sigma = 0.3 * Math.max(0, 1 - step / 7);
      expect(await noise.sigma.item()).toBeCloseTo(sigma, 6);
      const n = 20_000;
      const values = await noise.forward(zeros([n, 1, 1, 1])).data();
      const deviation = Math.sqrt(Array.from(values).reduce((total, v) => total + v * v, 0) / n);
      expect(Math.abs(deviation - sigma)).toBeLessThan((5 * sigma) / Math.sqrt(2 * n) + 1e-6);
      if (step >= 7) expect(await noise.forward(x).data()).toEqual(await x.data());
      noise.step();
    }
    expect(await noise.sigma.item()).toBe(0);
  });

  scoped('draws anew for every image and call, and passes gradients', async () => {
    const noise = new InstanceNoise(1, 10);
    const values = [
      ...(await noise.forward(zeros([3, 2])).data()),
      ...(await noise.forward(zeros([3, 2])).data()),
    ];
    expect(new Set(values).size).toBe(12);
    const { grads } = valueAndGrad((x) => sum(noise.forward(x)), [zeros([2, 2])]);
    expect(Array.from(await grads[0].data())).toEqual([1, 1, 1, 1]);
  });

  test('refuses a negative deviation and impossible steps', () => {
    for (const sigma of [-0.1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => new InstanceNoise(sigma, 5)).toThrow(code('ERR_ARGUMENT'));
    for (const steps of [0, 1.5]) expect(() => new InstanceNoise(0.1, steps)).toThrow(code('ERR_ARGUMENT'));
  });

  test('a recording lets the noise fall', async () => {
    await sameBits(
      () => {
        const noise = new InstanceNoise(0.5, 4);
        return {
          fn: (x) => {
            const y = noise.forward(x);
            noise.step();
            return y;
          },
          state: () => Object.values(noise.stateDict()),
        };
      },
      () => [randn([2, 3])],
      6,
    );
  });
});
