// Convolutions, products, pooling and resampling on random shapes, strides, paddings, dilations, groups and layouts against
// the naive references, and fused gradients against those of the composite. Chosen cases and their derivatives are in
// ops.test.ts.

import * as fc from 'fast-check';
import { describe } from 'vitest';
import { sizeUpTo } from './arbitrary.js';
import { call, gradientsAgree, property } from './properties.js';

/** One axis of a convolution in which at least one output fits. */
const convAxis = (maxSize: number, maxKernel: number) =>
  fc
    .record({
      n: sizeUpTo(maxSize),
      kernel: sizeUpTo(maxKernel),
      stride: sizeUpTo(3),
      dilation: sizeUpTo(3),
      before: sizeUpTo(3, 0),
      after: sizeUpTo(3, 0),
    })
    .filter((a) => a.n + a.before + a.after > a.dilation * (a.kernel - 1))
    .map((a) => ({
      ...a,
      out: Math.floor((a.n + a.before + a.after - a.dilation * (a.kernel - 1) - 1) / a.stride) + 1,
    }));

type ConvAxis = {
  n: number;
  kernel: number;
  stride: number;
  dilation: number;
  before: number;
  after: number;
  out: number;
};

/** Batches of 0 to 3, groups of one channel and up, or the wide ones that the fast kernels are made for. */
const channels = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      batch: sizeUpTo(3, 0),
      groups: sizeUpTo(4),
      groupIn: sizeUpTo(5),
      groupOut: sizeUpTo(5),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      batch: fc.constant(1),
      groups: fc.constant(1),
      groupIn: sizeUpTo(24, 8),
      groupOut: sizeUpTo(40, 8),
    }),
  },
);

describe('convolutions', () => {
  // The geometries of Winograd: 4 wide with stride 2, 3 wide with stride 1.
  const winograd = fc
    .record({
      n: sizeUpTo(13, 4),
      kernel: fc.constantFrom(3, 4),
      before: sizeUpTo(2, 0),
      after: sizeUpTo(2, 0),
    })
    .map((a) => ({ ...a, stride: a.kernel - 2, dilation: 1 }))
    .map((a) => ({ ...a, stride: a.kernel === 4 ? 2 : 1 }))
    .map((a) => ({ ...a, out: Math.floor((a.n + a.before + a.after - a.kernel) / a.stride) + 1 }));
  const axes = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(convAxis(9, 4), convAxis(9, 4)) },
    {
      weight: 1,
      arbitrary: winograd.chain((h) =>
        fc.tuple(
          fc.constant(h),
          winograd.filter((w) => w.kernel === h.kernel),
        ),
      ),
    },
  );
  const geometry = (h: ConvAxis, w: ConvAxis, groups: number) => ({
    strideH: h.stride,
    strideW: w.stride,
    padTop: h.before,
    padBottom: h.after,
    padLeft: w.before,
    padRight: w.after,
    dilationH: h.dilation,
    dilationW: w.dilation,
    groups,
  });
  const two = fc.record({ axes, c: channels }).map(({ axes: [h, w], c }) => ({
    x: [c.batch, h.n, w.n, c.groups * c.groupIn],
    w: [c.groups * c.groupOut, h.kernel, w.kernel, c.groupIn],
    y: [c.batch, h.out, w.out, c.groups * c.groupOut],
    g: geometry(h, w, c.groups),
  }));
  property(
    'conv2d',
    two.chain(({ x, w, g }) => call('conv2d', [x, w], g)),
    { runs: 100 },
  );
  property(
    'convInputGrad',
    two.chain(({ x, w, y, g }) => call('convInputGrad', [y, w], { ...g, height: x[1], width: x[2] })),
    { runs: 100 },
  );
  property(
    'convWeightGrad',
    two.chain(({ x, w, y, g }) => call('convWeightGrad', [x, y], { ...g, kernelH: w[1], kernelW: w[2] })),
    { runs: 100 },
  );

  const three = fc
    .record({ axes: fc.tuple(convAxis(5, 3), convAxis(6, 3), convAxis(5, 3)), c: channels })
    .map(({ axes: a, c }) => ({
      x: [c.batch, ...a.map((v) => v.n), c.groups * c.groupIn],
      w: [c.groups * c.groupOut, ...a.map((v) => v.kernel), c.groupIn],
      y: [c.batch, ...a.map((v) => v.out), c.groups * c.groupOut],
      g: {
        stride: a.map((v) => v.stride),
        padding: a.map((v) => [v.before, v.after]),
        dilation: a.map((v) => v.dilation),
        groups: c.groups,
      },
      size: a.map((v) => v.n),
      kernel: a.map((v) => v.kernel),
    }));
  property(
    'conv3d',
    three.chain(({ x, w, g }) => call('conv3d', [x, w], g)),
    { runs: 40 },
  );
  property(
    'conv3dInputGrad',
    three.chain(({ w, y, g, size }) => call('conv3dInputGrad', [y, w], { ...g, size })),
    {
      runs: 40,
    },
  );
  property(
    'conv3dWeightGrad',
    three.chain(({ x, y, g, kernel }) => call('conv3dWeightGrad', [x, y], { ...g, kernel })),
    {
      runs: 40,
    },
  );
});

describe('products', () => {
  const side = sizeUpTo(40, 0);
  property(
    'matmul',
    fc
      .record({
        m: side,
        n: side,
        k: side,
        transA: fc.boolean(),
        transB: fc.boolean(),
        lead: sizeUpTo(3),
        kind: sizeUpTo(4, 0),
      })
      .chain(({ m, n, k, transA, transB, lead, kind }) => {
        const a = transA ? [k, m] : [m, k];
        const b = transB ? [n, k] : [k, n];
        const batches = [[], [lead], [2, lead], [1, lead], [lead]];
        const other = [[], [], [lead], [2, 1], [1]];
        return call(
          'matmul',
          [
            [...batches[kind], ...a],
            [...other[kind], ...b],
          ],
          { transA, transB, dtype: 'f32' },
        );
      }),
    { runs: 120 },
  );

  const attention = fc
    .record({
      lead: fc.array(sizeUpTo(3, 0), { maxLength: 2 }),
      queries: sizeUpTo(40),
      keys: sizeUpTo(40),
      depth: sizeUpTo(20),
      valueDepth: sizeUpTo(20),
      scale: fc.constantFrom(0.2, 1),
      causal: fc.boolean(),
    })
    .chain(({ lead, queries, keys, depth, valueDepth, scale, causal }) =>
      call(
        'attention',
        [
          [...lead, queries, depth],
          [...lead, keys, depth],
          [...lead, keys, valueDepth],
        ],
        { scale, causal },
      ),
    );
  property('attention', attention);
  property('attention, fused gradient', attention, { check: gradientsAgree, runs: 30 });
});

describe('pooling and resampling', () => {
  const maxAxis = fc
    .record({
      n: sizeUpTo(9),
      kernel: sizeUpTo(4),
      stride: sizeUpTo(3),
      dilation: sizeUpTo(2),
      padding: sizeUpTo(2, 0),
      adaptive: fc.boolean(),
      parts: sizeUpTo(5),
    })
    .filter((a) => 2 * a.padding <= a.kernel && a.n + 2 * a.padding > a.dilation * (a.kernel - 1))
    // Every window must hold something: a wide step could leap over a short axis.
    .filter((a) => a.dilation === 1 || a.padding === 0 || a.n >= 2 * a.dilation)
    .map(({ parts, ...a }) => {
      const fitting = Math.floor((a.n + 2 * a.padding - a.dilation * (a.kernel - 1) - 1) / a.stride) + 1;
      return { ...a, out: a.adaptive ? Math.min(parts, a.n) : fitting };
    });
  property(
    'maxPool',
    fc
      .record({
        axes: fc.array(maxAxis, { minLength: 1, maxLength: 3 }),
        batch: sizeUpTo(3, 0),
        c: sizeUpTo(20),
      })
      .chain(({ axes, batch, c }) => call('maxPool', [[batch, ...axes.map((a) => a.n), c]], { axes })),
  );

  const sizes = { in: sizeUpTo(9), out: sizeUpTo(11) };
  const interpolate = fc
    .record({
      ...sizes,
      kind: fc.constant('interpolate'),
      mode: fc.constantFrom('nearest', 'nearest-exact', 'bilinear', 'bicubic'),
      alignCorners: fc.boolean(),
      antialias: fc.boolean(),
      scale: fc.constant(0),
    })
    .map((m) => (m.mode.startsWith('nearest') ? { ...m, alignCorners: false, antialias: false } : m))
    .map((m) => (m.antialias ? { ...m, alignCorners: false } : m));
  const adaptive = fc
    .record({ ...sizes, kind: fc.constant('adaptive') })
    .map((m) => ({ ...m, out: Math.min(m.out, m.in) }));
  const border = fc
    .record({
      in: sizeUpTo(9, 4),
      before: sizeUpTo(3, 0),
      after: sizeUpTo(3, 0),
      mode: fc.constantFrom('reflect', 'replicate', 'circular'),
    })
    .map(({ after, ...m }) => ({ ...m, kind: 'border', out: m.before + m.in + after }));
  const average = fc
    .record({ in: sizeUpTo(9), kernel: sizeUpTo(4), stride: sizeUpTo(3), countIncludePad: fc.boolean() })
    .filter((m) => m.in >= m.kernel)
    .map((m) => ({
      ...m,
      kind: 'average',
      before: 0,
      after: 0,
      out: Math.floor((m.in - m.kernel) / m.stride) + 1,
    }));
  const fir = fc
    .record({
      in: sizeUpTo(9),
      up: sizeUpTo(3),
      down: sizeUpTo(3),
      before: sizeUpTo(4, 1),
      taps: fc.array(fc.constantFrom(-1, 0.25, 0.5, 2), { minLength: 1, maxLength: 5 }),
    })
    .map((m) => ({ ...m, kind: 'fir', room: m.in * m.up + 2 * m.before - m.taps.length }))
    .filter((m) => m.room >= 0)
    .map(({ room, ...m }) => ({ ...m, out: Math.floor(room / m.down) + 1 }));
  property(
    'resample and its transpose',
    fc
      .record({
        maps: fc.array(fc.oneof(interpolate, adaptive, border, average, fir), { minLength: 1, maxLength: 2 }),
        lead: sizeUpTo(3, 0),
        c: sizeUpTo(20),
        transposed: fc.boolean(),
      })
      .chain(({ maps, lead, c, transposed }) =>
        call('resample', [[lead, ...maps.map((m) => (transposed ? m.out : m.in)), c]], {
          axis: 1,
          maps,
          transposed,
        }),
      ),
    { runs: 150 },
  );

  const grid = fc
    .record({
      x: fc.tuple(sizeUpTo(3, 0), sizeUpTo(7), sizeUpTo(7), sizeUpTo(9)),
      out: fc.tuple(sizeUpTo(5), sizeUpTo(5)),
      paddingMode: fc.constantFrom('zeros', 'border', 'reflection'),
      alignCorners: fc.boolean(),
    })
    .chain(({ x, out, ...attrs }) =>
      call('gridSample', [x, [x[0], ...out, 2]], { ...attrs, mode: 'bilinear' }),
    );
  property('gridSample', grid);
  property('gridSample, fused gradient', grid, { check: gradientsAgree, runs: 30 });
});
