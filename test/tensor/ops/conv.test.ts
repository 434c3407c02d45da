// Convolutions large enough for every algorithm of the CPU backend, in both precisions, against the float64 reference;
// the same bits for any number of threads; and what the public functions refuse. Gradients are in ops.test.ts.

import { afterEach, describe, expect, test } from 'vitest';
import { device } from '../../../src/device.js';
import {
  conv2d,
  convInputGrad,
  convTranspose2d,
  convWeightGrad,
  scope,
  setConvPrecision,
  setThreads,
  type Tensor,
  tensor,
  threads,
  zeros,
} from '../../../src/index.js';
import { references } from '../../reference/naive/conv.js';
import { make, type Nd, size } from '../../reference/nd.js';
import { randomFrom } from '../numeric.js';

const cases = [
  { name: 'k4 s2 p1', x: [5, 16, 16, 32], w: [48, 4, 4, 32], stride: 2, pad: 1, out: 8 },
  {
    name: 'k4 s2 p1, odd sizes and channels',
    x: [3, 13, 13, 19],
    w: [21, 4, 4, 19],
    stride: 2,
    pad: 1,
    out: 6,
  },
  { name: 'k3 s1 p1', x: [2, 15, 15, 32], w: [40, 3, 3, 32], stride: 1, pad: 1, out: 15 },
  { name: 'k5 s2 p2', x: [2, 16, 16, 16], w: [24, 5, 5, 16], stride: 2, pad: 2, out: 8 },
  { name: 'k4 s2 p1 of 3 channels', x: [2, 32, 32, 3], w: [64, 4, 4, 3], stride: 2, pad: 1, out: 16 },
  { name: 'k1 s1', x: [2, 9, 9, 33], w: [17, 1, 1, 33], stride: 1, pad: 0, out: 9 },
  // Groups: one per vector, several per vector, more channels than a vector, more blocks than one, depthwise.
  {
    name: 'k3 s1 p1, 3 groups of 16',
    x: [3, 21, 21, 48],
    w: [48, 3, 3, 16],
    stride: 1,
    pad: 1,
    out: 21,
    groups: 3,
  },
  {
    name: 'k3 s1 p1, 3 groups of 20 to 11',
    x: [3, 14, 14, 60],
    w: [33, 3, 3, 20],
    stride: 1,
    pad: 1,
    out: 14,
    groups: 3,
  },
  {
    name: 'k3 s1 p0, 5 groups of 12 to 15',
    x: [3, 14, 14, 60],
    w: [75, 3, 3, 12],
    stride: 1,
    pad: 0,
    out: 12,
    groups: 5,
  },
  {
    name: 'k3 s1 p1, 13 groups of 4',
    x: [2, 30, 30, 52],
    w: [52, 3, 3, 4],
    stride: 1,
    pad: 1,
    out: 30,
    groups: 13,
  },
  {
    name: 'k4 s2 p1, 5 groups of 6 to 3',
    x: [2, 21, 21, 30],
    w: [15, 4, 4, 6],
    stride: 2,
    pad: 1,
    out: 10,
    groups: 5,
  },
  {
    name: 'k3 s2 p1, 2 groups of 5 to 37',
    x: [2, 17, 17, 10],
    w: [74, 3, 3, 5],
    stride: 2,
    pad: 1,
    out: 9,
    groups: 2,
  },
  {
    name: 'k3 s1 p1, 2 groups of 70',
    x: [1, 9, 9, 140],
    w: [140, 3, 3, 70],
    stride: 1,
    pad: 1,
    out: 9,
    groups: 2,
  },
  {
    name: 'k5 s3 p2, 7 groups of 1 to 2',
    x: [2, 19, 19, 7],
    w: [14, 5, 5, 1],
    stride: 3,
    pad: 2,
    out: 7,
    groups: 7,
  },
  {
    name: 'k3 s1 p1, depthwise',
    x: [2, 19, 19, 37],
    w: [37, 3, 3, 1],
    stride: 1,
    pad: 1,
    out: 19,
    groups: 37,
  },
  {
    name: 'k4 s2 p1, depthwise',
    x: [2, 20, 20, 64],
    w: [64, 4, 4, 1],
    stride: 2,
    pad: 1,
    out: 10,
    groups: 64,
  },
] as const;

const before = threads();

afterEach(() => {
  setConvPrecision('fast');
  setThreads(before);
});

function draw(shape: readonly number[], seed: string): Nd {
  const random = randomFrom(seed);
  // What a float holds, so that both sides see the same numbers.
  return make(
    shape,
    Float32Array.from({ length: size(shape) }, () => 2 * random() - 1),
  );
}

const upload = ({ shape, data }: Nd) => tensor(data, shape, 'f32');

function passes(c: (typeof cases)[number]) {
  const x = draw(c.x, `${c.name} x`);
  const w = draw(c.w, `${c.name} w`);
  const dy = draw([c.x[0], c.out, c.out, c.w[0]], `${c.name} dy`);
  const geometry = {
    strideH: c.stride,
    strideW: c.stride,
    padTop: c.pad,
    padBottom: c.pad,
    padLeft: c.pad,
    padRight: c.pad,
    dilationH: 1,
    dilationW: 1,
    groups: 'groups' in c ? c.groups : 1,
  };
  const input = { ...geometry, height: c.x[1], width: c.x[2] };
  const weight = { ...geometry, kernelH: c.w[1], kernelW: c.w[2] };
  const options = { stride: c.stride, padding: c.pad, groups: geometry.groups };
  return [
    { op: 'conv2d', run: () => conv2d(upload(x), upload(w), options), expected: [[x, w], geometry] },
    {
      op: 'convInputGrad',
      run: () => convInputGrad(upload(dy), upload(w), input),
      expected: [[dy, w], input],
    },
    {
      op: 'convWeightGrad',
      run: () => convWeightGrad(upload(x), upload(dy), weight),
      expected: [[x, dy], weight],
    },
  ] as const;
}

const read = (run: () => Tensor) => scope(async () => (await run().data()) as Float32Array);

describe.each(cases)('$name', (c) => {
  test.each([
    ['fast', 1e-5],
    ['accurate', 2e-6],
  ] as const)('%s: the largest error is within %d of the largest result', async (precision, tolerance) => {
    setConvPrecision(precision);
    for (const { op, run, expected } of passes(c)) {
      const reference = references[op]([...expected[0]], expected[1] as never).data;
      const got = await read(run);
      let error = 0;
      let largest = 0;
      for (let i = 0; i < reference.length; i++) {
        error = Math.max(error, Math.abs(got[i] - reference[i]));
        largest = Math.max(largest, Math.abs(reference[i]));
      }
      expect(got.length, op).toBe(reference.length);
      expect(error / largest, op).toBeLessThan(tolerance);
    }
  });

  test('gives the same bits with 1, 2 and 4 threads', async () => {
    for (const { op, run } of passes(c)) {
      const results: Float32Array[] = [];
      for (const count of [1, 2, 4]) {
        setThreads(count);
        results.push(await read(run));
      }
      expect(results[1], op).toEqual(results[0]);
      expect(results[2], op).toEqual(results[0]);
    }
  });
});

// Winograd's algorithm is the CPU's.
test.skipIf(device() !== 'cpu')(
  'the precisions differ where Winograd is used, and are put back',
  async () => {
    const [{ run }] = passes(cases[0]);
    const fast = await read(run);
    setConvPrecision('accurate');
    expect(await read(run)).not.toEqual(fast);
    setConvPrecision('fast');
    expect(await read(run)).toEqual(fast);
  },
);

test.each([
  [() => setConvPrecision('exact' as never), 'ERR_ARGUMENT', /'fast' or 'accurate', got exact/],
  [
    () => conv2d(zeros([1, 4, 4, 1]), zeros([64, 4, 4, 3])),
    'ERR_SHAPE',
    /x \[1,4,4,1\] has 1 channels?, w .* expects 3/,
  ],
  [() => conv2d(zeros([4, 4, 1]), zeros([1, 3, 3, 1])), 'ERR_SHAPE', /\[batch, height, width, channels\]/],
  [() => conv2d(zeros([1, 4, 4, 1]), zeros([1, 5, 5, 1])), 'ERR_SHAPE', /larger than the padded image/],
  [() => conv2d(zeros([1, 4, 4, 1]), zeros([1, 3, 3, 1]), { stride: 0 }), 'ERR_ARGUMENT', /stride/],
  [() => conv2d(zeros([1, 4, 4, 1]), zeros([1, 3, 3, 1]), { stride: NaN }), 'ERR_ARGUMENT', /stride/],
  [() => conv2d(zeros([1, 4, 4, 1]), zeros([1, 3, 3, 1]), { padding: -1 }), 'ERR_ARGUMENT', /padding/],
  [() => conv2d(zeros([1, 4, 4, 4]), zeros([3, 3, 3, 2]), { groups: 2 }), 'ERR_SHAPE', /groups/],
  [
    () => conv2d(zeros([1, 4, 4, 1]), zeros([1, 3, 3, 1]), { stride: 2, padding: 'same' }),
    'ERR_ARGUMENT',
    /'same' needs stride 1/,
  ],
  [
    () => conv2d(zeros([1, 4, 4, 1], 'i32'), zeros([1, 3, 3, 1])),
    'ERR_DTYPE',
    /x must be f32 or bf16, got i32/,
  ],
  [() => convTranspose2d(zeros([1, 4, 4, 2]), zeros([3, 4, 4, 1])), 'ERR_SHAPE', /channels/],
  [
    () => convTranspose2d(zeros([1, 4, 4, 1]), zeros([1, 4, 4, 1]), { stride: 2, outputPadding: 2 }),
    'ERR_ARGUMENT',
    /below the stride/,
  ],
])('refuses %o with %s', (make, code, message) => {
  expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
