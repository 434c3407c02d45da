// Behaviour of the spatial ops beyond their values (those are compared with PyTorch's and with naive references): what
// is refused, corners of size, NaN, dtypes, inverses, and identities that tie one op to another.

import { describe, expect, test } from 'vitest';
import { GanvasError } from '../../../src/errors.js';
import { valueAndGrad } from '../../../src/tensor/autograd.js';
import { tensor } from '../../../src/tensor/from.js';
import {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  affineGrid,
  avgPool2d,
  cast,
  concat,
  downsample2d,
  filter2d,
  gaussianBlur,
  globalAvgPool,
  gridSample,
  maxPool2d,
  mean,
  mul,
  pad,
  pixelShuffle,
  pixelUnshuffle,
  randn,
  reshape,
  resize,
  setupFilter,
  slice,
  sum,
  upfirdn2d,
  upsample2d,
  zeros,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import { largest, mismatch } from '../numeric.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

async function expectSame(a: Tensor, b: Tensor, relative = 1e-5): Promise<void> {
  expect(a.shape).toEqual(b.shape);
  const want = await b.data();
  expect(mismatch(await a.data(), want, relative, Math.max(largest(want), 1))).toBeUndefined();
}

const image = (n: number, h: number, w: number, c: number) => randn([n, h, w, c]);

describe('pooling', () => {
  scoped('of everything is the mean', async () => {
    const x = image(2, 5, 7, 19);
    const all = mean(x, [1, 2]);
    await expectSame(globalAvgPool(x), all);
    await expectSame(reshape(adaptiveAvgPool2d(x, 1), [2, 19]), all);
    await expectSame(reshape(avgPool2d(x, [5, 7]), [2, 19]), all);
  });

  scoped('a NaN wins, the first of equals gets the gradient', async () => {
    const x = tensor([Number.NaN, 1, 2, -Infinity, 5, 5, 5, 5], [1, 2, 4, 1]);
    expect(Array.from(await maxPool2d(x, 2).data())).toEqual([Number.NaN, 5]);
    const { grads } = valueAndGrad((v: Tensor) => sum(maxPool2d(v, 2)), [x]);
    expect(Array.from(await grads[0].data())).toEqual([1, 0, 0, 0, 0, 0, 1, 0]);
  });

  scoped('works on large images and many channels', async () => {
    const x = image(3, 40, 33, 70);
    const [top, bottom] = [0, 1].map((i) => slice(x, [0, i, 0, 0], [3, 20, 32, 70], [1, 2, 1, 1]));
    const quarter = (t: Tensor, j: number) => slice(t, [0, 0, j, 0], [3, 20, 16, 70], [1, 1, 2, 1]);
    const parts = [top, bottom].flatMap((t) => [quarter(t, 0), quarter(t, 1)]);
    const pooled = slice(maxPool2d(x, 2), [0, 0, 0, 0], [3, 20, 16, 70]);
    await expectSame(
      pooled,
      parts.reduce((a, b) => a.maximum(b)),
      0,
    );
    await expectSame(
      slice(avgPool2d(x, 2), [0, 0, 0, 0], [3, 20, 16, 70]),
      parts.reduce((a, b) => a.add(b)).mul(0.25),
    );
  });

  scoped('keeps bf16', async () => {
    const x = cast(image(1, 4, 4, 3), 'bf16');
    expect(maxPool2d(x, 2).dtype).toBe('bf16');
    expect(avgPool2d(x, 2).dtype).toBe('bf16');
  });
});

describe('resizing', () => {
  scoped('to the same size is the same tensor', async () => {
    const x = image(1, 3, 4, 2);
    for (const mode of ['nearest', 'bilinear', 'bicubic'] as const)
      await expectSame(resize(x, { size: [3, 4], mode }), x, 0);
  });

  scoped('a constant stays a constant', async () => {
    const x = zeros([1, 13, 9, 3]).add(2.5);
    for (const mode of ['bilinear', 'bicubic'] as const)
      for (const antialias of [false, true])
        await expectSame(resize(x, { size: [31, 4], mode, antialias }), zeros([1, 31, 4, 3]).add(2.5));
  });

  scoped('nearest by a whole factor repeats pixels, however large', async () => {
    const x = image(2, 5, 3, 4);
    const wide = resize(x, { scaleFactor: [7, 49] });
    const repeated = reshape(x, [2, 5, 1, 3, 1, 4]).broadcastTo([2, 5, 7, 3, 49, 4]).reshape([2, 35, 147, 4]);
    await expectSame(wide, repeated, 0);
  });
});

describe('pixel shuffle', () => {
  scoped('is undone by unshuffle', async () => {
    const x = image(2, 6, 4, 3);
    await expectSame(pixelShuffle(pixelUnshuffle(x, 2), 2), x, 0);
  });
});

describe('borders', () => {
  scoped('are what their names say, along any axis', async () => {
    const x = tensor([0, 1, 2, 3], [1, 4]);
    const row = async (mode: 'reflect' | 'replicate' | 'circular') =>
      Array.from(
        await pad(
          x,
          [
            [0, 0],
            [2, 3],
          ],
          mode,
        ).data(),
      );
    expect(await row('reflect')).toEqual([2, 1, 0, 1, 2, 3, 2, 1, 0]);
    expect(await row('replicate')).toEqual([0, 0, 0, 1, 2, 3, 3, 3, 3]);
    expect(await row('circular')).toEqual([2, 3, 0, 1, 2, 3, 0, 1, 2]);
  });

  scoped('keep NaN and infinity where they are', async () => {
    const x = tensor([Number.NaN, 1, Infinity], [1, 3, 1, 1]);
    const y = pad(
      x,
      [
        [0, 0],
        [1, 1],
        [0, 0],
        [0, 0],
      ],
      'replicate',
    );
    expect(Array.from(await y.data())).toEqual([Number.NaN, Number.NaN, 1, Infinity, Infinity]);
  });
});

describe('grid sample', () => {
  scoped('the identity map gives the image back', async () => {
    const x = image(2, 5, 7, 3);
    const theta = tensor([1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0], [2, 2, 3]);
    for (const alignCorners of [false, true])
      await expectSame(gridSample(x, affineGrid(theta, [5, 7], alignCorners), { alignCorners }), x);
  });

  scoped('places that are no numbers, or far away, are outside', async () => {
    const x = image(1, 3, 3, 2);
    const grid = tensor([Number.NaN, 0, Infinity, 0, 1e30, -1e30, -Infinity, Number.NaN], [1, 2, 2, 2]);
    expect(Array.from(await gridSample(x, grid).data())).toEqual(new Array(8).fill(0));
    for (const paddingMode of ['border', 'reflection'] as const) {
      const y = await gridSample(x, grid, { paddingMode }).data();
      expect(Array.from(y).every(Number.isFinite)).toBe(true);
    }
    const { grads } = valueAndGrad((a: Tensor, g: Tensor) => sum(gridSample(a, g)), [x, grid]);
    expect(Array.from(await grads[0].data())).toEqual(new Array(18).fill(0));
  });
});

describe('upfirdn2d', () => {
  scoped('a product filter and its rows give the same', async () => {
    const x = image(2, 9, 8, 5);
    const taps = [1, 3, 3, 1];
    const rows = taps.map((a) => taps.map((b) => a * b));
    const odd = rows.map((r, i) => r.map((v, j) => v + (i === 1 && j === 2 ? 1 : 0)));
    const options = { up: 2, padding: 1 };
    await expectSame(upfirdn2d(x, taps, options), upfirdn2d(x, rows, options));
    // The filter that is no product differs from it in one tap: a shifted image.
    const single = taps.map((_, i) => taps.map((__, j) => (i === 1 && j === 2 ? 1 : 0)));
    await expectSame(
      upfirdn2d(x, odd, options),
      upfirdn2d(x, rows, options).add(upfirdn2d(x, single, options)),
    );
  });

  scoped('up- and downsampling keep sizes and brightness', async () => {
    const x = zeros([1, 16, 16, 2]).add(3);
    const f = setupFilter([1, 3, 3, 1]);
    const middle = (t: Tensor) => slice(t, [0, 3, 3, 0], [1, 2, 2, 2]);
    expect(upsample2d(x, f).shape).toEqual([1, 32, 32, 2]);
    expect(downsample2d(x, f).shape).toEqual([1, 8, 8, 2]);
    for (const y of [upsample2d(x, f), downsample2d(x, f), filter2d(x, f)])
      await expectSame(middle(y), zeros([1, 2, 2, 2]).add(3));
  });

  scoped('blurring keeps a constant, up to the border', async () => {
    await expectSame(
      gaussianBlur(zeros([2, 9, 11, 3]).sub(4), { sigma: [1.2, 0.4] }),
      zeros([2, 9, 11, 3]).sub(4),
    );
  });
});

scoped('empty batches and no channels pass through everything', async () => {
  for (const [n, c] of [
    [0, 3],
    [2, 0],
  ]) {
    const x = zeros([n, 8, 8, c]);
    const results: [Tensor, number, number][] = [
      [maxPool2d(x, 2), 4, 4],
      [avgPool2d(x, 3, { stride: 1 }), 6, 6],
      [adaptiveMaxPool2d(x, 3), 3, 3],
      [resize(x, { size: 5, mode: 'bicubic' }), 5, 5],
      [
        pad(
          x,
          [
            [0, 0],
            [1, 1],
            [2, 2],
            [0, 0],
          ],
          'reflect',
        ),
        10,
        12,
      ],
      [pixelUnshuffle(x, 2), 4, 4],
      [gridSample(x, zeros([n, 2, 3, 2])), 2, 3],
      [
        upfirdn2d(
          x,
          [
            [1, 2],
            [3, 4],
          ],
          { up: 2 },
        ),
        15,
        15,
      ],
      [gaussianBlur(x, { sigma: 0.5 }), 8, 8],
    ];
    for (const [y, h, w] of results) {
      expect(y.shape.slice(0, 3)).toEqual([n, h, w]);
      expect((await y.data()).length).toBe(0);
    }
    const { grads } = valueAndGrad((v: Tensor) => sum(mul(maxPool2d(v, 2), 2)), [x]);
    expect(grads[0].shape).toEqual(x.shape);
  }
});

describe('refuses', () => {
  const x = () => zeros([1, 4, 4, 2]);
  const whole = () => zeros([1, 4, 4, 2], 'i32');
  const refusals: [string, string, () => unknown][] = [
    ['ERR_SHAPE', 'maxPool2d', () => maxPool2d(zeros([4, 4, 2]), 2)],
    ['ERR_SHAPE', 'maxPool2d', () => maxPool2d(x(), 5)],
    ['ERR_ARGUMENT', 'maxPool2d', () => maxPool2d(x(), 2, { padding: 2 })],
    ['ERR_ARGUMENT', 'avgPool2d', () => avgPool2d(x(), 0)],
    ['ERR_ARGUMENT', 'avgPool2d', () => avgPool2d(x(), 2, { stride: 1.5 })],
    ['ERR_ARGUMENT', 'avgPool2d', () => avgPool2d(x(), [2, 2, 2])],
    ['ERR_DTYPE', 'avgPool2d', () => avgPool2d(whole(), 2)],
    ['ERR_SHAPE', 'adaptiveMaxPool2d', () => adaptiveMaxPool2d(zeros([1, 0, 4, 2]), 2)],
    ['ERR_ARGUMENT', 'resize', () => resize(x(), {})],
    ['ERR_ARGUMENT', 'resize', () => resize(x(), { size: 4, scaleFactor: 2 })],
    ['ERR_ARGUMENT', 'resize', () => resize(x(), { size: 4, mode: 'cubic' as 'bicubic' })],
    ['ERR_ARGUMENT', 'resize', () => resize(x(), { size: 4, alignCorners: true })],
    ['ERR_ARGUMENT', 'resize', () => resize(x(), { scaleFactor: Number.NaN })],
    ['ERR_SHAPE', 'resize', () => resize(x(), { scaleFactor: 0.1 })],
    ['ERR_SHAPE', 'resize', () => resize(zeros([1, 0, 4, 2]), { size: 4 })],
    ['ERR_SHAPE', 'pixelShuffle', () => pixelShuffle(x(), 2)],
    ['ERR_SHAPE', 'pixelUnshuffle', () => pixelUnshuffle(x(), 3)],
    [
      'ERR_ARGUMENT',
      'pad',
      () =>
        pad(
          x(),
          [
            [0, 0],
            [4, 0],
            [0, 0],
            [0, 0],
          ],
          'reflect',
        ),
    ],
    [
      'ERR_ARGUMENT',
      'pad',
      () =>
        pad(
          x(),
          [
            [0, 0],
            [5, 0],
            [0, 0],
            [0, 0],
          ],
          'circular',
        ),
    ],
    [
      'ERR_ARGUMENT',
      'pad',
      () =>
        pad(
          x(),
          [
            [0, 0],
            [-1, 0],
            [0, 0],
            [0, 0],
          ],
          'replicate',
        ),
    ],
    [
      'ERR_ARGUMENT',
      'pad',
      () =>
        pad(
          x(),
          [
            [0, 0],
            [1, 0],
            [0, 0],
            [0, 0],
          ],
          'mirror' as 'reflect',
        ),
    ],
    [
      'ERR_DTYPE',
      'pad',
      () =>
        pad(
          whole(),
          [
            [0, 0],
            [1, 0],
            [0, 0],
            [0, 0],
          ],
          'reflect',
        ),
    ],
    ['ERR_SHAPE', 'gridSample', () => gridSample(x(), zeros([2, 3, 3, 2]))],
    ['ERR_SHAPE', 'gridSample', () => gridSample(zeros([1, 0, 4, 2]), zeros([1, 3, 3, 2]))],
    [
      'ERR_ARGUMENT',
      'gridSample',
      () => gridSample(x(), zeros([1, 3, 3, 2]), { mode: 'bicubic' as 'nearest' }),
    ],
    ['ERR_SHAPE', 'affineGrid', () => affineGrid(zeros([2, 3]), [4, 4])],
    ['ERR_SHAPE', 'upfirdn2d', () => upfirdn2d(x(), [1, 2, 3, 4, 5])],
    ['ERR_ARGUMENT', 'upfirdn2d', () => upfirdn2d(x(), [])],
    ['ERR_ARGUMENT', 'upfirdn2d', () => upfirdn2d(x(), [[1, 2], [1]])],
    ['ERR_ARGUMENT', 'upfirdn2d', () => upfirdn2d(x(), [1, Number.NaN])],
    ['ERR_ARGUMENT', 'upfirdn2d', () => upfirdn2d(x(), [1], { up: 0 })],
    ['ERR_ARGUMENT', 'setupFilter', () => setupFilter([1, -1])],
    ['ERR_ARGUMENT', 'gaussianBlur', () => gaussianBlur(x(), { sigma: 0 })],
    ['ERR_ARGUMENT', 'gaussianBlur', () => gaussianBlur(x(), { sigma: 1, kernelSize: 4 })],
  ];
  for (const [i, [code, op, call]] of refusals.entries()) {
    test(`#${i} ${code} from ${op}`, () =>
      scope(() => {
        try {
          call();
        } catch (error) {
          expect(error).toBeInstanceOf(GanvasError);
          expect((error as GanvasError).code).toBe(code);
          expect((error as GanvasError).message).toContain(op);
          return;
        }
        expect.unreachable('nothing was thrown');
      }));
  }
});

scoped('a table of weights that no memory holds is refused', async () => {
  const x = zeros([1, 2 ** 17, 1, 1]);
  expect(() => avgPool2d(x, [2 ** 16, 1], { stride: 1 })).toThrow(
    expect.objectContaining({ code: 'ERR_ARGUMENT' }),
  );
  expect(concat([x, x]).shape[0]).toBe(2);
});
