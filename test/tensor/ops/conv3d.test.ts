// Convolutions of volumes too large to be unfolded at once, against a sum of two-dimensional ones; layers and options
// in one and three dimensions; and what the public functions refuse. Small cases are in ops.test.ts and the fixtures.

import { describe, expect, test } from 'vitest';
import {
  add,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose3d,
  mul,
  nn,
  pad,
  randn,
  reshape,
  scope,
  slice,
  sum,
  type Tensor,
  valueAndGrad,
  zeros,
} from '../../../src/index.js';
import { largest, mismatch } from '../numeric.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

/** conv3d of one volume with a kernel of depth 3, stride 1 and padding 1, from its definition over slices. */
function bySlices(x: Tensor, w: Tensor): Tensor {
  const [, d, h, width, c] = x.shape;
  const [k, depth, kH, kW] = w.shape;
  const images = reshape(
    pad(x, [
      [0, 0],
      [1, 1],
      [0, 0],
      [0, 0],
      [0, 0],
    ]),
    [d + 2, h, width, c],
  );
  const parts = Array.from({ length: depth }, (_, t) =>
    conv2d(
      slice(images, [t, 0, 0, 0], [d, h, width, c]),
      reshape(slice(w, [0, t, 0, 0, 0], [k, 1, kH, kW, c]), [k, kH, kW, c]),
      { padding: 1 },
    ),
  );
  return reshape(parts.reduce(add), [1, d, h, width, k]);
}

scoped('a volume unfolded in several chunks gives the sum of two-dimensional convolutions', async () => {
  const x = randn([1, 40, 64, 72, 16]);
  const w = randn([8, 3, 3, 3, 16]);
  const gy = randn([1, 40, 64, 72, 8]);
  const of = (f: (x: Tensor, w: Tensor) => Tensor) => {
    const { grads } = valueAndGrad(() => sum(mul(f(x, w), gy)), [x, w]);
    return [f(x, w), ...grads];
  };
  const got = of((x, w) => conv3d(x, w, { padding: 1 }));
  const want = of(bySlices);
  for (const [i, name] of ['y', 'dx', 'dw'].entries()) {
    const values = (await want[i].data()) as Float32Array;
    expect(got[i].shape, name).toEqual(want[i].shape);
    expect(mismatch(await got[i].data(), values, 1e-5, largest(values)), name).toBeUndefined();
  }
});

describe('layers', () => {
  test('have weights and results of the shapes they say', () => {
    expect(new nn.Conv1d(4, 6, 5, { groups: 2 }).weight.shape).toEqual([6, 5, 2]);
    expect(new nn.Conv3d(4, 6, [1, 2, 3], { groups: 2 }).weight.shape).toEqual([6, 1, 2, 3, 2]);
    expect(new nn.ConvTranspose1d(4, 6, 5, { groups: 2 }).weight.shape).toEqual([4, 5, 3]);
    expect(new nn.ConvTranspose3d(4, 6, 4).weight.shape).toEqual([4, 4, 4, 4, 6]);
    const up1 = new nn.ConvTranspose1d(2, 3, 25, { stride: 4, padding: 11, outputPadding: 1 });
    expect(up1.forward(zeros([1, 16, 2])).shape).toEqual([1, 64, 3]);
    const up3 = new nn.ConvTranspose3d(2, 3, 4, { stride: 2, padding: 1, activation: 'relu' });
    expect(up3.forward(zeros([1, 4, 5, 6, 2])).shape).toEqual([1, 8, 10, 12, 3]);
    const same = new nn.Conv1d(2, 3, 4, { padding: 'same', dilation: 2, paddingMode: 'replicate' });
    expect(same.forward(zeros([1, 9, 2])).shape).toEqual([1, 9, 3]);
    const sided = new nn.Conv1d(1, 1, 3, { padding: [2, 0], paddingMode: 'circular' });
    expect(sided.forward(zeros([1, 9, 1])).shape).toEqual([1, 9, 1]);
  });

  scoped('give their op with bias and activation', async () => {
    const layer = new nn.Conv3d(3, 4, 3, { padding: 1, stride: 2, activation: 'leakyRelu' });
    const x = randn([2, 5, 4, 3, 3]);
    const plain = conv3d(x, layer.weight, { padding: 1, stride: 2 }).add(layer.bias!);
    const want = await plain.leakyRelu(0.2).data();
    expect(mismatch(await layer.forward(x).data(), want, 1e-6, 1)).toBeUndefined();
  });

  test.each([
    [() => new nn.Conv1d(4, 6, 3, { groups: 4 }), /multiples of groups/],
    [() => new nn.Conv3d(4, 6, [3, 3] as never), /kernelSize must be a number or 3 of them/],
    [() => new nn.Conv3d(4, 6, 0), /kernelSize/],
    [() => new nn.Conv2d(1, 1, 3, { paddingMode: 'mirror' as never }), /paddingMode must be one of zeros/],
  ])('refuses %o', (make, message) => {
    expect(make).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});

test.each([
  [
    () => conv1d(zeros([1, 4, 2]), zeros([1, 3, 3])),
    'ERR_SHAPE',
    /conv1d: x .* has 2 channels, w .* expects 3/,
  ],
  [() => conv1d(zeros([1, 4, 4, 1]), zeros([1, 3, 1])), 'ERR_SHAPE', /conv1d: x must be \[N, L, C\]/],
  [() => conv1d(zeros([1, 4, 1]), zeros([1, 3, 1]), { stride: 1.5 }), 'ERR_ARGUMENT', /conv1d: stride/],
  [() => conv1d(zeros([1, 4, 1]), zeros([1, 9, 1])), 'ERR_SHAPE', /larger than the padded/],
  [() => convTranspose1d(zeros([1, 4, 1]), zeros([2, 3, 1])), 'ERR_SHAPE', /expects 2/],
  [
    () => convTranspose1d(zeros([1, 4, 1]), zeros([1, 3, 1]), { outputPadding: 1 }),
    'ERR_ARGUMENT',
    /below the stride/,
  ],
  [() => conv3d(zeros([1, 4, 4, 4, 2]), zeros([1, 3, 3, 3, 3])), 'ERR_SHAPE', /has 2 channels.* expects 3/],
  [() => conv3d(zeros([1, 4, 4, 1]), zeros([1, 3, 3, 3, 1])), 'ERR_SHAPE', /\[N, D, H, W, C\]/],
  [
    () => conv3d(zeros([1, 4, 4, 4, 1]), zeros([1, 5, 3, 3, 1])),
    'ERR_SHAPE',
    /larger than the padded volume/,
  ],
  [() => conv3d(zeros([1, 4, 4, 4, 1]), zeros([1, 3, 3, 3, 1]), { stride: 0 }), 'ERR_ARGUMENT', /stride/],
  [
    () => conv3d(zeros([1, 4, 4, 4, 1]), zeros([1, 3, 3, 3, 1]), { padding: [1, 2] as never }),
    'ERR_ARGUMENT',
    /padding must be a whole number or three/,
  ],
  [
    () => conv3d(zeros([1, 4, 4, 4, 1]), zeros([1, 3, 3, 3, 1]), { stride: 2, padding: 'same' }),
    'ERR_ARGUMENT',
    /'same' needs stride 1/,
  ],
  [
    () => conv3d(zeros([1, 4, 4, 4, 4]), zeros([3, 3, 3, 3, 2]), { groups: 2 }),
    'ERR_SHAPE',
    /3 output channels cannot be split/,
  ],
  [
    () => conv3d(zeros([1, 4, 4, 4, 1], 'i32'), zeros([1, 3, 3, 3, 1])),
    'ERR_DTYPE',
    /x must be f32 or bf16, got i32/,
  ],
  [
    () => convTranspose3d(zeros([1, 4, 4, 4, 1]), zeros([1, 4, 4, 4, 1]), { stride: 2, outputPadding: 2 }),
    'ERR_ARGUMENT',
    /below the stride/,
  ],
  [
    () => convTranspose3d(zeros([1, 1, 1, 1, 1]), zeros([1, 1, 1, 1, 1]), { padding: 3 }),
    'ERR_SHAPE',
    /leaves no voxels/,
  ],
])('refuses %o with %s', (make, code, message) => {
  expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
