// What GANs are built of beyond single ops: functions on random shapes, options and layouts against their definitions
// written out over scalars (or over a reference of the op that they compose), and fused gradients against the composite.

import * as fc from 'fast-check';
import { describe } from 'vitest';
import {
  adaIN,
  conv1d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  groupNorm,
  instanceNorm,
  modulatedConv2d,
} from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { references } from '../reference/naive/index.js';
import { build, make, type Nd, offset } from '../reference/nd.js';
import { sizeUpTo } from './arbitrary.js';
import { call, functionProperty, gradientsAgree, property } from './properties.js';

const at = (x: Nd, ...index: number[]): number => x.data[offset(x.shape, index)];
const reference = (op: string, inputs: Nd[], attrs: object): Nd => references[op](inputs, attrs as never);
const batch = sizeUpTo(3, 0);
const channels = fc.oneof(sizeUpTo(6), fc.constantFrom(16, 19));

describe('convolutions of other ranks and their transposes', () => {
  const axis = fc
    .record({
      n: sizeUpTo(7),
      kernel: sizeUpTo(4),
      stride: sizeUpTo(3),
      dilation: sizeUpTo(2),
      before: sizeUpTo(2, 0),
      after: sizeUpTo(2, 0),
      extra: sizeUpTo(2, 0),
    })
    .filter((a) => a.n + a.before + a.after > a.dilation * (a.kernel - 1))
    .filter((a) => a.extra < a.stride);
  type Axis = typeof axis extends fc.Arbitrary<infer A> ? A : never;
  const grown = (a: Axis): number =>
    (a.n - 1) * a.stride - a.before - a.after + a.dilation * (a.kernel - 1) + a.extra + 1;
  const widths = fc.record({ batch, groups: sizeUpTo(3), groupIn: sizeUpTo(4), groupOut: sizeUpTo(4) });
  const flat = { strideH: 1, padTop: 0, padBottom: 0, dilationH: 1 };
  const wide = (a: Axis) => ({
    strideW: a.stride,
    padLeft: a.before,
    padRight: a.after,
    dilationW: a.dilation,
  });
  const row = ({ shape: [n, l, c], data }: Nd): Nd => ({ shape: [n, 1, l, c], data });
  const sequence = ({ shape: [n, , l, c], data }: Nd): Nd => ({ shape: [n, l, c], data });
  const options = (a: Axis, groups: number) => ({
    stride: a.stride,
    dilation: a.dilation,
    padding: [a.before, a.after] as const,
    groups,
  });

  functionProperty(
    'conv1d',
    fc.record({ a: axis, c: widths }).map(({ a, c }) => ({
      shapes: [
        [c.batch, a.n, c.groups * c.groupIn],
        [c.groups * c.groupOut, a.kernel, c.groupIn],
      ],
      run: ([x, w]: Tensor[]) => conv1d(x, w, options(a, c.groups)),
      want: ([x, w]: Nd[]) =>
        sequence(reference('conv2d', [row(x), row(w)], { ...flat, ...wide(a), groups: c.groups })),
    })),
  );
  functionProperty(
    'convTranspose1d',
    fc
      .record({ a: axis, c: widths })
      .filter(({ a }) => grown(a) > 0)
      .map(({ a, c }) => ({
        shapes: [
          [c.batch, a.n, c.groups * c.groupOut],
          [c.groups * c.groupOut, a.kernel, c.groupIn],
        ],
        run: ([x, w]: Tensor[]) => convTranspose1d(x, w, { ...options(a, c.groups), outputPadding: a.extra }),
        want: ([x, w]: Nd[]) =>
          sequence(
            reference('convInputGrad', [row(x), row(w)], {
              ...flat,
              ...wide(a),
              groups: c.groups,
              height: 1,
              width: grown(a),
            }),
          ),
      })),
  );
  functionProperty(
    'convTranspose2d',
    fc
      .record({ h: axis, w: axis, c: widths })
      .filter(({ h, w }) => grown(h) > 0 && grown(w) > 0)
      .map(({ h, w, c }) => ({
        shapes: [
          [c.batch, h.n, w.n, c.groups * c.groupOut],
          [c.groups * c.groupOut, h.kernel, w.kernel, c.groupIn],
        ],
        run: ([x, kernel]: Tensor[]) =>
          convTranspose2d(x, kernel, {
            stride: [h.stride, w.stride],
            dilation: [h.dilation, w.dilation],
            padding: [
              [h.before, h.after],
              [w.before, w.after],
            ],
            outputPadding: [h.extra, w.extra],
            groups: c.groups,
          }),
        want: ([x, kernel]: Nd[]) =>
          reference('convInputGrad', [x, kernel], {
            strideH: h.stride,
            padTop: h.before,
            padBottom: h.after,
            dilationH: h.dilation,
            ...wide(w),
            groups: c.groups,
            height: grown(h),
            width: grown(w),
          }),
      })),
  );
  functionProperty(
    'convTranspose3d',
    fc
      .record({ axes: fc.tuple(axis, axis, axis), c: widths })
      .filter(({ axes }) => axes.every((a) => a.n < 5 && grown(a) > 0))
      .map(({ axes, c }) => {
        const stride = axes.map((a) => a.stride) as [number, number, number];
        const dilation = axes.map((a) => a.dilation) as [number, number, number];
        const padding = axes.map((a) => [a.before, a.after] as const);
        return {
          shapes: [
            [c.batch, ...axes.map((a) => a.n), c.groups * c.groupOut],
            [c.groups * c.groupOut, ...axes.map((a) => a.kernel), c.groupIn],
          ],
          run: ([x, w]: Tensor[]) =>
            convTranspose3d(x, w, {
              stride,
              dilation,
              padding: padding as never,
              outputPadding: axes.map((a) => a.extra) as [number, number, number],
              groups: c.groups,
            }),
          want: ([x, w]: Nd[]) =>
            reference('conv3dInputGrad', [x, w], {
              stride,
              padding,
              dilation,
              groups: c.groups,
              size: axes.map(grown),
            }),
        };
      }),
    { runs: 40 },
  );

  functionProperty(
    'modulatedConv2d',
    fc
      .record({
        batch,
        h: sizeUpTo(5),
        w: sizeUpTo(5),
        c: channels,
        k: channels,
        kernel: fc.constantFrom(1, 3),
        demodulate: fc.boolean(),
      })
      .map(({ batch: n, h, w, c, k, kernel, demodulate }) => ({
        shapes: [
          [n, h, w, c],
          [k, kernel, kernel, c],
          [n, c],
        ],
        run: ([x, weight, styles]: Tensor[]) => modulatedConv2d(x, weight, styles, { demodulate }),
        // Each sample is convolved by a weight of its own.
        want: ([x, weight, styles]: Nd[]) => {
          const pads = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
          const none = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
          const geometry = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, groups: 1 };
          const y = make([n, h, w, k]);
          for (let i = 0; i < n; i++) {
            const own = build(weight.shape, (index, flat) => weight.data[flat] * at(styles, i, index[3]));
            const energy = Array.from({ length: k }, (_, o) =>
              own.data
                .slice(o * kernel * kernel * c, (o + 1) * kernel * kernel * c)
                .reduce((s, v) => s + v * v, 1e-8),
            );
            const scaled = build(own.shape, (index, flat) =>
              demodulate ? own.data[flat] / Math.sqrt(energy[index[0]]) : own.data[flat],
            );
            const image = make([1, h, w, c], x.data.slice(i * h * w * c, (i + 1) * h * w * c));
            const around = kernel === 3 ? pads : none;
            y.data.set(reference('conv2d', [image, scaled], { ...geometry, ...around }).data, i * h * w * k);
          }
          return y;
        },
      })),
  );
});

describe('recurrences', () => {
  // The composite needs a step.
  const dims = fc.record({ n: batch, steps: sizeUpTo(5), h: sizeUpTo(20) });
  const gru = dims.chain(({ n, steps, h }) =>
    call('gru', [[n, steps, 3 * h], [n, h], [3 * h, h], [3 * h]], undefined as never),
  );
  const lstm = dims.chain(({ n, steps, h }) =>
    call(
      'lstm',
      [
        [n, steps, 4 * h],
        [n, h],
        [n, h],
        [4 * h, h],
      ],
      undefined as never,
    ),
  );
  property('gru', gru, { runs: 60, bf16: false });
  property('gru, fused gradient', gru, { check: gradientsAgree, runs: 25 });
  property('lstm', lstm, { runs: 60, bf16: false });
  property('lstm, fused gradient', lstm, { check: gradientsAgree, runs: 25 });
});

describe('spectral norm and minibatch layers', () => {
  const matrix = fc
    .record({ rows: sizeUpTo(20), height: sizeUpTo(3), columns: sizeUpTo(12) })
    .chain(({ rows, height, columns }) =>
      call('spectralNorm', [[rows, height, columns], [rows], [height * columns]], undefined as never),
    )
    // A sum near zero makes the quotient as large as its error.
    .filter(({ inputs: [w, left, right] }) => {
      const n = right.nd.data.length;
      const sigma = w.nd.data.reduce(
        (s, v, i) => s + v * left.nd.data[Math.floor(i / n)] * right.nd.data[i % n],
        0,
      );
      return Math.abs(sigma) > 0.5;
    });
  property('spectralNorm', matrix, { runs: 60, bf16: false });
  property('spectralNorm, fused gradient', matrix, { check: gradientsAgree, runs: 30 });

  const similar = fc
    .record({ n: sizeUpTo(9, 0), features: sizeUpTo(20), kernel: sizeUpTo(5) })
    .chain(({ n, features, kernel }) =>
      call('minibatchSimilarity', [[n, features, kernel]], undefined as never),
    );
  property('minibatchSimilarity', similar, { runs: 60, bf16: false });
  property('minibatchSimilarity, fused gradient', similar, { check: gradientsAgree, runs: 30 });
});

describe('normalisation', () => {
  const images = fc.record({
    n: batch,
    spatial: fc.array(sizeUpTo(4), { minLength: 1, maxLength: 3 }),
    groups: sizeUpTo(4),
    size: sizeUpTo(5),
  });
  const eps = 1e-3;
  /** The definition: mean and variance over the pixels of a sample and `size` neighbouring channels. */
  function normalised([x, gamma, beta]: Nd[], size: number): Nd {
    const c = x.shape[x.shape.length - 1];
    const pixels = x.shape.slice(1, -1).reduce((a, b) => a * b, 1);
    return build(x.shape, (index, flat) => {
      const [n, k] = [index[0], index[index.length - 1]];
      const first = k - (k % size);
      const values = Array.from(
        { length: pixels * size },
        (_, i) => x.data[(n * pixels + Math.floor(i / size)) * c + first + (i % size)],
      );
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      const own = (p: Nd) => (p.shape.length === 2 ? at(p, n, k) : p.data[k]);
      return (own(gamma) * (x.data[flat] - mean)) / Math.sqrt(variance + eps) + own(beta);
    });
  }
  const kinds = {
    groupNorm: {
      run: ([x, g, b]: Tensor[], groups: number) => groupNorm(x, groups, g, b, { eps }),
      each: false,
      own: false,
    },
    instanceNorm: { run: ([x, g, b]: Tensor[]) => instanceNorm(x, g, b, { eps }), each: true, own: false },
    adaIN: { run: ([x, g, b]: Tensor[]) => adaIN(x, g, b, { eps }), each: true, own: true },
  };
  for (const [name, { run, each, own }] of Object.entries(kinds)) {
    functionProperty(
      name,
      images.map(({ n, spatial, groups, size }) => {
        const c = groups * size;
        const parameter = own ? [n, c] : [c];
        return {
          shapes: [[n, ...spatial, c], parameter, parameter],
          run: (inputs: Tensor[]) => run(inputs, groups),
          want: (inputs: Nd[]) => normalised(inputs, each ? 1 : size),
        };
      }),
    );
  }
});
