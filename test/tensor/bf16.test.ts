// bf16, from the same op table as ops.test.ts: every op on every sample with its float inputs in bf16, values and first
// gradients within 2e-2 of scale of the float64 reference. Inputs that an op keeps in f32 (scales, biases, statistics)
// stay f32. What mixed precision promises beyond single ops follows below.

import { describe, expect, test } from 'vitest';
import { losses, memory, nn, optim } from '../../src/index.js';
import { grad, noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import { applyAll, opTable } from '../../src/tensor/define.js';
import {
  add,
  cast,
  conv2d,
  matmul,
  mean,
  mul,
  randn,
  square,
  sum,
  tensor,
} from '../../src/tensor/ops/index.js';
import { withPrecision } from '../../src/tensor/precision.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { keep, scope } from '../../src/tensor/scope.js';
import type { DType, Tensor } from '../../src/tensor/tensor.js';
import { references } from '../reference/naive/index.js';
import type { Nd } from '../reference/nd.js';
import { type Case, compare, lossOf, narrowed, title } from './cases.js';
import { bf16Value, fromTyped, type Loss, largest, mismatch, partial, rounded } from './numeric.js';

// Half of the bound: `mismatch` adds the tolerance for |want| to that for the scale.
const tolerance = 1e-2;

// Ops that take f32 alone, because what they lose would add up: statistics for metrics, norms of master weights, and
// the states of recurrent cells. The public functions of the last kind widen what they are given.
const f32Only = new Set([
  'covariance',
  'eigh',
  'sqrtm',
  'powerIteration',
  'spectralNorm',
  'gru',
  'lstm',
  'minibatchSimilarity',
  'minibatchSimilarityGrad',
]);

async function checkValues({ spec, sample, inputs, tensors }: Case): Promise<DType> {
  const want = references[spec.name](inputs, sample.attrs);
  const [y] = applyAll(spec, tensors, sample.attrs);
  expect(y.shape, 'shape').toEqual(want.shape);
  const got = fromTyped(await y.data(), y.dtype);
  const exact = y.dtype === 'i32' || y.dtype === 'u8';
  const scale = Math.max(largest(want.data), 1e-3);
  expect(mismatch(got, want.data, exact ? 0 : tolerance, exact ? 0 : scale)).toBeUndefined();
  return y.dtype;
}

async function checkGradient(c: Case): Promise<void> {
  const { reference, engine, list, watched } = lossOf(c);
  const inFloat32 = (...xs: Tensor[]) => {
    const y = engine(...xs);
    return y.dtype === 'bf16' ? cast(y, 'f32') : y;
  };
  const { grads } = valueAndGrad(inFloat32, watched);
  expect(grads.map((g) => g.dtype)).toEqual(watched.map((x) => x.dtype));
  await compare(c, list, grads, (k, i) => smoothPartial(reference, list, k, i), tolerance);
}

/** The derivative, or NaN at a kink, which rounded inputs may lie on: there the two sides differ. */
function smoothPartial(f: Loss, list: Nd[], k: number, i: number): number {
  const at = (h: number) =>
    f(list.map((x, m) => (m === k ? { ...x, data: x.data.map((v, j) => (j === i ? v + h : v)) } : x)));
  const h = 1e-4;
  const here = at(0);
  const [left, right] = [(here - at(-h)) / h, (at(h) - here) / h];
  return Math.abs(left - right) > 0.05 * (1 + Math.abs(left)) ? Number.NaN : partial(f, list, k, i);
}

for (const [name, spec] of opTable) {
  const samples = spec.samples().flatMap((sample, i) => {
    const hasFloats = sample.inputs.some(({ dtype = 'f32' }) => dtype === 'f32');
    return hasFloats && references[name] ? [{ sample, i }] : [];
  });
  if (samples.length === 0) continue;
  describe(`${name} in bf16`, () => {
    for (const { sample, i } of samples) {
      test(`#${i} ${title(sample)}`, async () => {
        await scope(async () => {
          const c = narrowed(spec, sample, i);
          if (f32Only.has(name)) expect(c).toBeUndefined();
          else expect(c, 'an op takes bf16 or is listed in f32Only').toBeDefined();
          if (!c) return;
          const dtype = await checkValues(c);
          const smooth = dtype === 'f32' || dtype === 'bf16';
          if (spec.vjp && smooth && sample.gradient !== false) await checkGradient(c);
        });
      });
    }
  });
}

const bf16 = (values: number[], shape: number[]): Tensor => cast(tensor(values, shape), 'bf16');
const f32 = (values: number[], shape: number[]): Tensor => tensor(values, shape);

describe('types of results', () => {
  test.each<[string, (b: Tensor, f: Tensor) => Tensor, DType]>([
    ['bf16 with bf16', (b) => add(b, b), 'bf16'],
    ['bf16 with f32', (b, f) => mul(b, f), 'f32'],
    ['bf16 with a number', (b) => mul(b, 0.1), 'bf16'],
    ['bf16 divided', (b) => b.div(3), 'bf16'],
    ['bf16 with i32', (b) => b.add(tensor([1, 2, 3], [3], 'i32')), 'bf16'],
    ['a comparison', (b) => b.greater(0), 'u8'],
    ['where with a number', (b) => b.greater(0).where(b, 0), 'bf16'],
    ['sum', (b) => sum(b), 'bf16'],
    ['mean', (b) => mean(b), 'bf16'],
    ['variance', (b) => b.variance(), 'bf16'],
    ['softmax', (b) => b.softmax(), 'bf16'],
    ['argmax', (b) => b.argmax(), 'i32'],
    ['a matrix product', (b) => matmul(b, b.reshape([3, 1])), 'bf16'],
    ['a product with f32', (b, f) => matmul(b, f.reshape([3, 1])), 'bf16'],
  ])('%s', (_name, op, dtype) => {
    scope(() => expect(op(bf16([1, 2, 3], [3]), f32([1, 2, 3], [3])).dtype).toBe(dtype));
  });

  test('a number keeps its digits beside bf16', async () => {
    await scope(async () => {
      // 0.1 itself is not a bf16: rounded before the product, 3 * 0.1 would be 0.30078125.
      expect(await bf16([3], [1]).mul(0.1).item()).toBe(rounded(3 * Math.fround(0.1), 'bf16'));
    });
  });

  test('item and array give numbers, data the bits', async () => {
    await scope(async () => {
      expect(await bf16([1.5, -2], [2]).array()).toEqual([1.5, -2]);
      expect(await bf16([-0.25], []).item()).toBe(-0.25);
      expect(Array.from(await bf16([1.5, -2], [2]).data(), bf16Value)).toEqual([1.5, -2]);
    });
  });

  test('sums are accumulated in f32', async () => {
    await scope(async () => {
      // In bf16, 256 + 1 is 256.
      expect(await sum(bf16(new Array(1000).fill(1), [1000])).item()).toBe(1000);
      expect(await mean(bf16(new Array(1000).fill(1.5), [10, 100]), 0).array()).toEqual(
        new Array(100).fill(1.5),
      );
    });
  });

  test('NaN, infinities and overflow pass through', async () => {
    await scope(async () => {
      const x = bf16([Number.NaN, Number.POSITIVE_INFINITY, -3.3e38, 1e-40], [4]);
      expect(await x.add(0).array()).toEqual([
        Number.NaN,
        Number.POSITIVE_INFINITY,
        rounded(-3.3e38, 'bf16'),
        rounded(1e-40, 'bf16'),
      ]);
      expect(await x.mul(2).array()).toEqual([
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        rounded(2e-40, 'bf16'),
      ]);
    });
  });
});

/** ‖got − want‖ / ‖want‖. The networks below are smooth: across a kink of leaky ReLU rounding moves a gradient at once. */
function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  const norm = (values: number[]) => Math.hypot(...values);
  const exact = Array.from(want);
  return norm(exact.map((w, i) => got[i] - w)) / Math.max(norm(exact), 1e-3);
}

describe('mixed precision', () => {
  const net = (): nn.Sequential =>
    new nn.Sequential(
      new nn.Conv2d(3, 8, 4, { stride: 2, padding: 1, activation: 'tanh' }),
      new nn.Conv2d(8, 16, 4, { stride: 2, padding: 1, bias: false }),
      new nn.BatchNorm2d(16, { activation: 'tanh' }),
      new nn.Flatten(),
      new nn.Linear(16 * 4, 1),
    );

  test('activations are bf16, parameters and their gradients f32', async () => {
    manualSeed(1);
    const critic = net();
    await scope(async () => {
      const x = randn([4, 8, 8, 3]);
      const types: DType[] = [];
      const { value, grads } = withPrecision('bf16', () =>
        valueAndGrad(() => {
          const y = critic.forward(x);
          types.push(y.dtype);
          return losses.nonSaturating.generator(y);
        }, critic.parameters()),
      );
      expect(types).toEqual(['bf16']);
      expect(value.dtype).toBe('f32');
      expect(grads.map((g) => g.dtype)).toEqual(grads.map(() => 'f32'));
      const { value: exact, grads: exactGrads } = valueAndGrad(
        () => losses.nonSaturating.generator(critic.forward(x)),
        critic.parameters(),
      );
      expect(Math.abs((await value.item()) - (await exact.item()))).toBeLessThan(2e-2);
      for (const [i, g] of grads.entries()) {
        expect(relativeError(await g.data(), await exactGrads[i].data())).toBeLessThan(2e-2);
      }
    });
    critic.dispose();
  });

  test('the gradient of a weight is not rounded to bf16', async () => {
    await scope(async () => {
      const x = bf16([1, 1, 1], [3, 1]);
      const w = keep(f32([1], [1, 1]));
      const b = f32([1, 2 ** -9, 2 ** -17], [3, 1]);
      // dL/dw = Σ b, of which bf16 keeps the first digits only; b itself is exact in bf16.
      const { grads } = valueAndGrad(() => sum(mul(cast(matmul(x, w), 'f32'), b)), [w]);
      expect(await grads[0].item()).toBe(1 + 2 ** -9 + 2 ** -17);
      const image = x.reshape([3, 1, 1, 1]);
      const kernel = keep(f32([1], [1, 1, 1, 1]));
      const loss = () => sum(mul(cast(conv2d(image, kernel), 'f32').reshape([3, 1]), b));
      expect(await valueAndGrad(loss, [kernel]).grads[0].item()).toBe(1 + 2 ** -9 + 2 ** -17);
      w.dispose();
      kernel.dispose();
    });
  });

  test('the penalty of WGAN-GP, second order through bf16, is near that in f32', async () => {
    manualSeed(2);
    const critic = new nn.Sequential(
      new nn.Conv2d(3, 8, 4, { stride: 2, padding: 1, activation: 'tanh' }),
      new nn.Conv2d(8, 16, 4, { stride: 2, padding: 1 }),
      new nn.LayerNorm([2, 2, 16], { activation: 'tanh' }),
      new nn.Flatten(),
      new nn.Linear(16 * 4, 1),
    );
    await scope(async () => {
      const [real, fake] = [randn([4, 8, 8, 3]), randn([4, 8, 8, 3])];
      const run = (precision: 'f32' | 'bf16') => {
        manualSeed(3);
        return withPrecision(precision, () =>
          valueAndGrad(
            () =>
              losses.wasserstein
                .discriminator(critic.forward(real), critic.forward(fake))
                .add(losses.gradientPenalty((x) => critic.forward(x), real, fake)),
            critic.parameters(),
          ),
        );
      };
      const [got, want] = [run('bf16'), run('f32')];
      const exact = await want.value.item();
      expect(Math.abs((await got.value.item()) - exact)).toBeLessThan(2e-2 * Math.abs(exact));
      for (const [i, g] of got.grads.entries()) {
        expect(relativeError(await g.data(), await want.grads[i].data())).toBeLessThan(2e-2);
      }
    });
    critic.dispose();
  });

  test('a weight is rounded once per gradient, and again after it was written', async () => {
    await scope(async () => {
      const w = keep(f32([1, 2], [2, 1]));
      const x = f32([1, 1], [1, 2]);
      const sgd = new optim.SGD([w], { lr: 1 });
      const step = () => withPrecision('bf16', () => valueAndGrad(() => sum(cast(matmul(x, w), 'f32')), [w]));
      const first = step();
      expect(await first.value.item()).toBe(3);
      sgd.step(first.grads);
      expect(await step().value.item()).toBe(1);
      const before = memory().tensors;
      scope(() => {
        step();
      });
      expect(memory().tensors).toBe(before);
      sgd.dispose();
      w.dispose();
    });
  });

  test('training takes a step that f32 takes too', async () => {
    await scope(async () => {
      const [x, y] = [randn([64, 8]), randn([64, 1])];
      const train = async (precision: 'f32' | 'bf16') => {
        manualSeed(5);
        const model = new nn.Sequential(new nn.Linear(8, 32, { activation: 'relu' }), new nn.Linear(32, 1));
        const adam = new optim.Adam(model.parameters(), { lr: 1e-2 });
        let loss = 0;
        for (let i = 0; i < 60; i++) {
          await scope(async () => {
            const { value, grads } = withPrecision(precision, () =>
              valueAndGrad(() => losses.mse(model.forward(x), y), model.parameters()),
            );
            adam.step(grads);
            if (i === 59) loss = await value.item();
          });
        }
        adam.dispose();
        model.dispose();
        return loss;
      };
      const [narrow, exact] = [await train('bf16'), await train('f32')];
      expect(Math.abs(narrow - exact)).toBeLessThan(0.05 * Math.max(exact, 0.2));
    });
  });

  test('gradients follow the types of the forward pass, and refuse what they must', () => {
    scope(() => {
      const x = bf16([1, 2], [2]);
      expect(grad((t: Tensor) => sum(cast(square(t), 'f32')))(x).dtype).toBe('bf16');
      expect(() => valueAndGrad(() => sum(x), [x])).toThrow(/the loss must be f32, got bf16/);
      expect(() => withPrecision('f16' as 'f32', () => x)).toThrow(/expected one of f32, bf16/);
      expect(() => withPrecision('bf16', async () => {})).toThrow(/must not be async/);
      const y = withPrecision('bf16', () =>
        noGrad(() => withPrecision('f32', () => matmul(f32([1], [1, 1]), f32([1], [1, 1])))),
      );
      expect(y.dtype).toBe('f32');
    });
  });
});

test('the tests leave no tensors behind', () => {
  expect(memory().tensors).toBe(0);
});
