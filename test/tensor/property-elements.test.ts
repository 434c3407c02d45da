// Element by element, along axes and by index: random shapes (with sizes of 0 and 1), dtypes and layouts against the naive
// references, and the fused gradients of the normalisations against those of the composite.

import * as fc from 'fast-check';
import { describe } from 'vitest';
import { type OperandOptions, operand, operands, shapeAndAxis, shapeOf, sizeUpTo } from './arbitrary.js';
import { type Case, call, gradientsAgree, property } from './properties.js';

/** A call whose operands are drawn with options of their own. */
const drawn = (op: string, inputs: [number[], OperandOptions?][], attrs: object): fc.Arbitrary<Case> =>
  fc.record({
    op: fc.constant(op),
    inputs: fc.tuple(...inputs.map(([shape, options]) => operand(shape, options))),
    attrs: fc.constant(attrs),
  });

const anyDtype = fc.constantFrom('f32' as const, 'i32' as const, 'u8' as const);
/** Many equal elements, so that ties occur. */
const tied: OperandOptions = { ties: 0.5 };

describe('elementwise', () => {
  /** Two shapes that broadcast: dimensions of one of them are 1 or left out. */
  const pair = shapeOf({ min: 0, max: 5 }, 6).chain((shape) =>
    fc.record({
      a: fc.tuple(...shape.map((d) => fc.constantFrom(d, 1))),
      b: fc.tuple(...shape.map((d) => fc.constantFrom(d, d, 1))),
      skip: fc.nat(shape.length),
      swap: fc.boolean(),
    }),
  );
  for (const op of ['add', 'sub', 'mul', 'maximum', 'minimum', 'less', 'equal']) {
    // u8 wraps around below zero; elementwise.test.ts has that.
    const dtypes = anyDtype.filter((dtype) => op !== 'sub' || dtype !== 'u8');
    property(
      op,
      fc.tuple(pair, dtypes).chain(([{ a, b, skip, swap }, dtype]) => {
        const shapes = swap ? [b.slice(skip), a] : [a, b.slice(skip)];
        return fc.record({
          op: fc.constant(op),
          inputs: operands(shapes, { dtype, ...tied }),
          attrs: fc.constant({ mode: 0, scalar: 0 }),
        });
      }),
      { runs: 40 },
    );
  }
  for (const op of ['gelu', 'silu', 'erf', 'tanh', 'sigmoid', 'softplus', 'exp']) {
    property(
      op,
      shapeOf({ min: 0, max: 3 }, 20).chain((shape) =>
        drawn(op, [[shape, { lo: -8, hi: 8 }]], { tanh: false }),
      ),
      { runs: 20 },
    );
  }
});

describe('along axes', () => {
  const reduction = shapeOf({ min: 1, max: 5 }, 6).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axes: fc.subarray(shape.map((_, i) => i)),
      keepDims: fc.boolean(),
      dtype: anyDtype,
    }),
  );
  property(
    'sum',
    reduction.chain(({ shape, axes, keepDims, dtype }) =>
      drawn('sum', [[shape, { dtype }]], { axes, keepDims }),
    ),
    { runs: 100 },
  );
  for (const op of ['max', 'min']) {
    property(
      op,
      reduction
        .filter(({ shape, axes }) => axes.every((a) => shape[a] > 0))
        .chain(({ shape, axes, keepDims, dtype }) =>
          drawn(op, [[shape, { dtype, ...tied }]], { axes, keepDims }),
        ),
    );
  }
  for (const op of ['argmax', 'argmin']) {
    property(
      op,
      shapeAndAxis(4, 9)
        .filter(({ shape, axis }) => shape[axis] > 0)
        .chain(({ shape, axis }) => drawn(op, [[shape, tied]], { axis, keepDims: false })),
    );
  }
  for (const op of ['softmax', 'logSoftmax']) {
    property(
      op,
      shapeOf({ min: 1, max: 3 }, 20).chain((shape) => call(op, [shape], undefined as never)),
    );
  }
  property(
    'sort and topK',
    fc
      .record({
        shape: shapeOf({ min: 1, max: 3 }, 40),
        descending: fc.boolean(),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
        dtype: anyDtype,
      })
      .chain(({ shape, descending, part, dtype }) => {
        const k = Math.round(part * shape[shape.length - 1]);
        return drawn('sort', [[shape, { dtype, ...tied }]], { descending, k });
      }),
    { runs: 100 },
  );
  for (const [op, inputs] of [
    ['cumsum', 1],
    ['recurrence', 2],
  ] as const) {
    property(
      op,
      fc.tuple(shapeAndAxis(4, 12), fc.boolean()).chain(([{ shape, axis }, reverse]) => {
        const options = { lo: -1, hi: 1 };
        return drawn(
          op,
          inputs === 1
            ? [[shape, options]]
            : [
                [shape, options],
                [shape, options],
              ],
          { axis, reverse },
        );
      }),
    );
  }
  property(
    'glu',
    shapeAndAxis(4, 9).chain(({ shape, axis }) => {
      const doubled = shape.map((d, i) => (i === axis ? 2 * d : d));
      return call('glu', [doubled], { axis });
    }),
  );
});

describe('moving elements', () => {
  property(
    'transpose',
    shapeOf({ min: 0, max: 6 }, 6).chain((shape) =>
      fc
        .tuple(
          fc.shuffledSubarray(
            shape.map((_, i) => i),
            { minLength: shape.length },
          ),
          anyDtype,
        )
        .chain(([perm, dtype]) => drawn('transpose', [[shape, { dtype }]], { perm })),
    ),
    { runs: 100 },
  );
  property(
    'slice',
    shapeOf({ min: 0, max: 5 }, 9).chain((shape) =>
      fc
        .tuple(
          ...shape.map((n) =>
            fc.record({
              begin: fc.nat(Math.max(n - 1, 0)),
              step: fc.constantFrom(1, 1, 2, 3, -1, -2),
              part: fc.nat(9),
            }),
          ),
        )
        .chain((cuts) => {
          const size = cuts.map(({ begin, step, part }, i) => {
            const fitting = step > 0 ? Math.ceil((shape[i] - begin) / step) : Math.ceil((begin + 1) / -step);
            return shape[i] === 0 ? 0 : Math.min(fitting, part);
          });
          return call('slice', [shape], {
            begin: cuts.map((c) => c.begin),
            size,
            step: cuts.map((c) => c.step),
          });
        }),
    ),
    { runs: 100 },
  );
  property(
    'pad',
    shapeOf({ min: 0, max: 5 }, 6).chain((shape) =>
      fc
        .tuple(...shape.map(() => fc.tuple(sizeUpTo(3, 0), sizeUpTo(3, 0))))
        .chain((padding) => call('pad', [shape], { padding, value: 1.5 })),
    ),
  );
  property(
    'concat',
    shapeAndAxis(4, 6).chain(({ shape, axis }) =>
      fc.array(sizeUpTo(5, 0), { minLength: 1, maxLength: 4 }).chain((sizes) =>
        call(
          'concat',
          sizes.map((n) => shape.map((d, i) => (i === axis ? n : d))),
          { axis },
        ),
      ),
    ),
  );
  property(
    'broadcastTo',
    shapeOf({ min: 0, max: 5 }, 5).chain((shape) =>
      fc
        .record({ ones: fc.tuple(...shape.map((d) => fc.constantFrom(d, 1))), skip: fc.nat(shape.length) })
        .chain(({ ones, skip }) => call('broadcastTo', [ones.slice(skip)], { shape })),
    ),
  );
});

describe('indexing', () => {
  const rows = fc
    .record({
      x: shapeAndAxis(4, 7),
      indices: shapeOf({ min: 0, max: 3 }, 4),
      dtype: fc.constantFrom('i32' as const, 'u8' as const),
    })
    .filter(({ x, indices }) => x.shape[x.axis] > 0 || indices.includes(0));
  const upTo = (n: number, dtype: 'i32' | 'u8'): OperandOptions => ({ dtype, lo: 0, hi: Math.max(n - 1, 0) });
  property(
    'gather',
    rows.chain(({ x: { shape, axis }, indices, dtype }) =>
      drawn('gather', [[shape], [indices, upTo(shape[axis], dtype)]], { axis }),
    ),
  );
  property(
    'scatterAdd',
    rows.chain(({ x: { shape, axis }, indices, dtype }) => {
      const updates = [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)];
      return drawn('scatterAdd', [[indices, upTo(shape[axis], dtype)], [updates]], {
        axis,
        size: shape[axis],
      });
    }),
  );
  /** Indices no larger than x outside the axis, of any size along it. */
  const places = fc
    .tuple(shapeAndAxis(4, 7), sizeUpTo(9, 0), fc.nat(1))
    .map(([{ shape, axis }, n, less]) => ({
      shape,
      axis,
      indices: shape.map((d, i) => (i === axis ? (d === 0 ? 0 : n) : Math.max(d - less, 0))),
    }));
  property(
    'takeAlongAxis',
    places.chain(({ shape, axis, indices }) =>
      drawn('takeAlongAxis', [[shape], [indices, upTo(shape[axis], 'i32')]], { axis }),
    ),
  );
  property(
    'scatterAlongAxis',
    places.chain(({ shape, axis, indices }) =>
      drawn('scatterAlongAxis', [[shape], [indices, upTo(shape[axis], 'i32')], [indices]], { axis }),
    ),
  );
  property(
    'scatterAddAlongAxis',
    places.chain(({ shape, axis, indices }) =>
      drawn('scatterAddAlongAxis', [[indices, upTo(shape[axis], 'u8')], [indices]], { axis, shape }),
    ),
  );
});

describe('normalisation', () => {
  const finish = fc.record({
    activation: fc.constantFrom('none', 'relu', 'leakyRelu', 'tanh', 'sigmoid'),
    slope: fc.constant(0.2),
    eps: fc.constant(1e-3),
  });
  const channel = fc
    .record({
      spatial: fc.array(sizeUpTo(5), { maxLength: 3 }),
      n: sizeUpTo(4),
      groups: sizeUpTo(4),
      groupSize: sizeUpTo(5),
      perSample: fc.boolean(),
      finish,
    })
    .chain(({ spatial, n, groups, groupSize, perSample, finish: f }) => {
      const c = groups * groupSize;
      const parameter = perSample ? [n, c] : [c];
      const attrs = { ...f, batch: perSample || groupSize > 1 ? n : 1, groupSize, together: false };
      return call('channelNorm', [[n, ...spatial, c], parameter, parameter], attrs);
    });
  property('channelNorm', channel);
  property('channelNorm, fused gradient', channel, { check: gradientsAgree, runs: 40 });

  const row = fc
    .record({
      lead: fc.array(sizeUpTo(4, 0), { maxLength: 2 }),
      trail: fc.array(sizeUpTo(7), { minLength: 1, maxLength: 3 }),
      finish,
    })
    .chain(({ lead, trail, finish: f }) =>
      call('rowNorm', [[...lead, ...trail], trail, trail], { ...f, dims: trail.length }),
    );
  property('rowNorm', row);
  property('rowNorm, fused gradient', row, { check: gradientsAgree, runs: 40 });
});
