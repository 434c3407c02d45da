// Bias and activation as options of products and convolutions: one op gives what three give, in each type, on every
// path that a shape can take. The generated op tests compare small ones with float64 references, gradients included.
import { describe, expect, it } from 'vitest';
import {
  biasAct,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  matmul,
  randn,
  type Tensor,
  withPrecision,
} from '../../../src/index.js';

type Options = { bias?: Tensor; activation?: 'leakyRelu' | 'tanh' };

async function distance(a: Tensor, b: Tensor): Promise<number> {
  expect(a.shape).toEqual(b.shape);
  expect(a.dtype).toBe(b.dtype);
  const [u, v] = await Promise.all([a.cast('f32').data(), b.cast('f32').data()]);
  return Array.from(u).reduce((worst, x, i) => Math.max(worst, Math.abs(x - v[i])), 0);
}

/** Weights of a layer's size, so that sums stay near 1. */
const weight = (shape: number[], terms: number): Tensor => randn(shape).mul(1 / Math.sqrt(terms));

const geometry = { stride: 2, padding: 1 } as const;
const convolution = (x: number[], w: number[], options = {}) => {
  const [a, b] = [randn(x), weight(w, w[1] * w[2] * w[3])];
  return { channels: w[0], run: (end: Options) => conv2d(a, b, { ...options, ...end }) };
};
const transposed = (x: number[], w: number[], options = {}) => {
  const [a, b] = [randn(x), weight(w, w[1] * w[2] * w[0])];
  const groups = (options as { groups?: number }).groups ?? 1;
  return { channels: w[3] * groups, run: (end: Options) => convTranspose2d(a, b, { ...options, ...end }) };
};
const product = (a: number[], b: number[], options = {}) => {
  const [left, right] = [randn(a), weight(b, a[a.length - 1])];
  const channels = b[b.length - ((options as { transB?: boolean }).transB ? 2 : 1)];
  return { channels, run: (end: Options) => matmul(left, right, { ...options, ...end }) };
};

const cases: Record<string, () => { channels: number; run: (end: Options) => Tensor }> = {
  'matmul of one row': () => product([1, 300], [700, 300], { transB: true }),
  'matmul of one column': () => product([300, 70], [1, 70], { transB: true }),
  'matmul of few rows': () => product([20, 90], [90, 75]),
  'matmul of many rows': () => product([700, 90], [90, 75]),
  'matmul of a long depth': () => product([130, 1500], [140, 1500], { transB: true }),
  'matmul of nothing': () => product([5, 0], [0, 9]),
  'a vector times a matrix': () => product([40], [40, 30]),
  'a batch of matrices': () => product([3, 5, 40], [40, 30]),
  'a batch of pairs': () => product([3, 5, 40], [3, 40, 30]),
  'a convolution from 3 channels': () => convolution([2, 17, 18, 3], [64, 4, 4, 3], geometry),
  'a convolution to 3 channels': () => convolution([2, 9, 9, 40], [3, 3, 3, 40], { padding: 1 }),
  'a convolution in tiles': () => convolution([4, 32, 32, 32], [48, 4, 4, 32], geometry),
  'a convolution of many images': () => convolution([33, 8, 7, 40], [48, 4, 4, 40], geometry),
  'a pointwise convolution': () => convolution([2, 9, 9, 40], [35, 1, 1, 40]),
  'a dilated convolution': () => convolution([2, 12, 12, 20], [30, 3, 3, 20], { dilation: 2 }),
  'a grouped convolution': () => convolution([2, 9, 9, 32], [32, 3, 3, 8], { groups: 4 }),
  'a depthwise convolution': () => convolution([2, 9, 9, 20], [20, 3, 3, 1], { groups: 20 }),
  'a transposed convolution of a vector': () => transposed([3, 1, 1, 20], [20, 4, 4, 33]),
  'a transposed convolution to 3 channels': () => transposed([2, 9, 9, 40], [40, 4, 4, 3], geometry),
  'a transposed convolution from 3 channels': () => transposed([2, 9, 9, 3], [3, 3, 3, 40], { padding: 1 }),
  'a transposed convolution of few pixels': () => transposed([1, 4, 5, 64], [64, 4, 4, 40], geometry),
  'a transposed convolution in tiles': () => transposed([8, 16, 16, 48], [48, 4, 4, 32], geometry),
  'a transposed convolution of many images': () => transposed([33, 4, 5, 48], [48, 4, 4, 40], geometry),
  'a transposed convolution in groups': () => transposed([2, 9, 9, 32], [32, 3, 3, 8], { groups: 4 }),
};

describe('an epilogue', () => {
  for (const [name, make] of Object.entries(cases)) {
    for (const precision of ['f32', 'bf16'] as const) {
      it(`of ${name} in ${precision} is biasAct behind it`, async () => {
        const { channels, run } = withPrecision(precision, make);
        const bias = randn([channels]);
        for (const activation of ['leakyRelu', 'tanh'] as const) {
          const got = withPrecision(precision, () => run({ bias, activation }));
          const want = withPrecision(precision, () => biasAct(run({}), bias, { activation }));
          // In bf16 the two round once and twice.
          const bound = precision === 'f32' ? 3e-6 : 0.04;
          expect(await distance(got, want)).toBeLessThan(bound);
        }
      });
    }
  }

  it('of sequences is that of images of height 1', async () => {
    const [x, w, bias] = [randn([2, 12, 6]), weight([6, 4, 6], 24), randn([6])];
    const end = { bias, activation: 'tanh' } as const;
    expect(await distance(conv1d(x, w, end), biasAct(conv1d(x, w), bias, end))).toBeLessThan(3e-6);
    const want = biasAct(convTranspose1d(x, w), bias, end);
    expect(await distance(convTranspose1d(x, w, end), want)).toBeLessThan(3e-6);
  });

  it('without a bias is the activation alone', async () => {
    const [a, b] = [randn([3, 4]), randn([4, 5])];
    expect(await distance(matmul(a, b, { activation: 'tanh' }), matmul(a, b).tanh())).toBe(0);
  });

  it("wants a bias of the result's channels", () => {
    const [a, b, x, w] = [randn([3, 4]), randn([4, 5]), randn([1, 5, 5, 2]), randn([7, 3, 3, 2])];
    expect(() => matmul(a, b, { bias: randn([4]) })).toThrow(/matmulAct: bias must have shape \[5\]/);
    expect(() => conv2d(x, w, { bias: randn([2]) })).toThrow(/conv2dAct: bias must have shape \[7\]/);
    const odd = { bias: randn([7]), activation: 'swish' as never };
    expect(() => conv2d(x, w, odd)).toThrow(/conv2d: activation must be one of/);
  });
});
