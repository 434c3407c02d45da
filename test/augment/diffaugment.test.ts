// DiffAugment: what each change does to images whose pixels can be told apart, that every image has draws of its own, and
// gradients to second order.

import { describe, expect, test } from 'vitest';
import { diffAugment } from '../../src/augment/index.js';
import { broadcastTo, full, ones, randn, tensor, uniform, zeros } from '../../src/tensor/ops/index.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { sameBits } from '../tensor/same-bits.js';
import { expectAffine } from './linear-map.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const seeded = () => ({ generator: new Generator(5) });

/** n times the image whose pixel (i, j) is 1 + i width + j. */
function numbered(n: number, height: number, width: number): Tensor {
  const one = Float32Array.from({ length: height * width }, (_, i) => 1 + i);
  return broadcastTo(tensor(one, [1, height, width, 1]), [n, height, width, 1]);
}

describe('translation', () => {
  for (const [height, width] of [
    [16, 24],
    [9, 31],
    [8, 7],
    [1, 1],
  ]) {
    scoped(`${height} x ${width}: whole pixels, up to an eighth, with zeros from outside`, async () => {
      const n = 300;
      const y = await diffAugment(numbered(n, height, width), 'translation', seeded()).data();
      const seen = [new Set<number>(), new Set<number>()];
      const most = [Math.floor(height / 8), Math.floor(width / 8)];
      for (let k = 0; k < n; k++) {
        const image = y.subarray(k * height * width, (k + 1) * height * width);
        // Any pixel that stayed inside tells how far all have moved.
        const at = image.findIndex((v) => v > 0);
        const from = image[at] - 1;
        const down = Math.floor(at / width) - Math.floor(from / width);
        const right = (at % width) - (from % width);
        seen[0].add(down);
        seen[1].add(right);
        const wanted = Float32Array.from({ length: height * width }, (_, p) => {
          const [i, j] = [Math.floor(p / width) - down, (p % width) - right];
          return i >= 0 && i < height && j >= 0 && j < width ? 1 + i * width + j : 0;
        });
        expect(image).toEqual(wanted);
      }
      // 300 draws miss one of at most seven distances with a probability below 1e-18.
      for (const axis of [0, 1]) {
        const all = Array.from({ length: 2 * most[axis] + 1 }, (_, i) => i - most[axis]);
        expect([...seen[axis]].sort((a, b) => a - b)).toEqual(all);
      }
    });
  }
});

describe('cutout', () => {
  for (const [height, width] of [
    [8, 12],
    [7, 5],
    [2, 3],
    [1, 4],
  ]) {
    scoped(`${height} x ${width}: half of each side, up to half of it outside`, async () => {
      const n = 200;
      const y = await diffAugment(ones([n, height, width, 2]), 'cutout', seeded()).data();
      for (let k = 0; k < n; k++) {
        const cut = (i: number, j: number) => y[((k * height + i) * width + j) * 2] === 0;
        const rows = Array.from({ length: height }, (_, i) => i).filter((i) =>
          Array.from({ length: width }, (_, j) => j).some((j) => cut(i, j)),
        );
        const columns = Array.from({ length: width }, (_, j) => j).filter((j) => rows.some((i) => cut(i, j)));
        if (height === 1) expect(rows).toEqual([]);
        for (const [lines, side] of [
          [rows, height],
          [columns, width],
        ] as const) {
          if (rows.length === 0) continue;
          const size = Math.floor(side / 2);
          const touches = lines[0] === 0 || lines[lines.length - 1] === side - 1;
          expect(lines.length).toBeLessThanOrEqual(size);
          expect(lines.length).toBeGreaterThanOrEqual(touches ? Math.floor(size / 2) : size);
          expect(lines[lines.length - 1] - lines[0] + 1).toBe(lines.length);
        }
        for (let i = 0; i < height; i++) {
          for (let j = 0; j < width; j++) expect(cut(i, j)).toBe(rows.includes(i) && columns.includes(j));
        }
      }
    });
  }
});

describe('color', () => {
  scoped('brightness, saturation and contrast, in this order', async () => {
    const [n, pixels] = [3, 8];
    const x = randn([n, 2, 4, 3]);
    const y = await diffAugment(x, 'color', seeded()).data();
    const { generator } = seeded();
    const draw = async (low: number, high: number) => uniform([n, 1, 1, 1], { low, high, generator }).data();
    const [brightness, saturation, contrast] = [
      await draw(-0.5, 0.5),
      await draw(0, 2),
      await draw(0.5, 1.5),
    ];
    const values = await x.data();
    for (let k = 0; k < n; k++) {
      const saturated = Array.from({ length: pixels }, (_, p) => {
        const at = (k * pixels + p) * 3;
        const colours = Array.from(values.subarray(at, at + 3), (v) => v + brightness[k]);
        const grey = (colours[0] + colours[1] + colours[2]) / 3;
        return colours.map((v) => grey + (v - grey) * saturation[k]);
      }).flat();
      const mean = saturated.reduce((a, b) => a + b) / saturated.length;
      for (const [i, v] of saturated.entries())
        expect(y[k * pixels * 3 + i]).toBeCloseTo(mean + (v - mean) * contrast[k], 5);
    }
  });

  scoped('leaves transparency alone, and grey images without colours', async () => {
    const rgba = randn([2, 3, 3, 4]);
    const [before, after] = [await rgba.data(), await diffAugment(rgba, 'color').data()];
    for (let i = 0; i < before.length; i++) expect(after[i] === before[i]).toBe(i % 4 === 3);
    const grey = await diffAugment(broadcastTo(randn([2, 3, 3, 1]), [2, 3, 3, 3]), 'color').data();
    for (let i = 0; i < grey.length; i += 3) expect(grey[i + 1] - grey[i]).toBeCloseTo(0, 5);
  });
});

scoped('every image has draws of its own, every call as well', async () => {
  for (const policy of ['color', 'translation', 'cutout', 'color,translation,cutout']) {
    const x = broadcastTo(randn([1, 32, 32, 3]), [6, 32, 32, 3]);
    const results = [diffAugment(x, policy), diffAugment(x, policy)];
    const seen = new Set<string>();
    for (const y of results) {
      const values = await y.data();
      for (let k = 0; k < 6; k++) seen.add(values.subarray(k * 3072, (k + 1) * 3072).join());
    }
    expect(seen.size, policy).toBeGreaterThan(8);
  }
});

scoped('keeps shapes, and refuses what it does not know', async () => {
  for (const shape of [
    [1, 1, 1, 1],
    [2, 5, 9, 3],
    [1, 64, 3, 4],
  ])
    expect(diffAugment(zeros(shape)).shape).toEqual(shape);
  expect(() => diffAugment(zeros([4, 4, 3]))).toThrow(code('ERR_SHAPE'));
  for (const policy of ['', 'colour', 'color,', 'toString'])
    expect(() => diffAugment(zeros([1, 4, 4, 3]), policy)).toThrow(code('ERR_ARGUMENT'));
});

scoped('gradients of both orders', async () => {
  for (const shape of [
    [2, 9, 17, 3],
    [1, 8, 8, 1],
    [3, 16, 8, 4],
  ])
    await expectAffine((x) => diffAugment(x, undefined, seeded()), shape);
});

test('a recording draws anew in every run', async () => {
  await sameBits(
    () => ({ fn: (x) => diffAugment(x), state: () => [] }),
    () => [full([2, 16, 16, 3], 0.5)],
  );
});
