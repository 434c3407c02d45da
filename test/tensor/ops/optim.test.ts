// The in-place updates against PyTorch's formulas written out in float64: several steps over parameters of several
// sizes in one call, and what is refused.

import { describe, expect, test } from 'vitest';
import { addon } from '../../../src/native.js';
import { upload } from '../../../src/tensor/define.js';
import { adamStep, assign, clampInPlace, lerp, rmspropStep, sgdStep } from '../../../src/tensor/ops/optim.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import { mismatch, randomFrom } from '../numeric.js';

const sizes = [1, 37, 16384, 0, 40000]; // tails, an empty tensor, and tensors that span chunks of work
const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

type Lists = Float64Array[];

function draw(name: string, scale = 1): Lists {
  const random = randomFrom(name);
  return sizes.map((n) => Float64Array.from({ length: n }, () => Math.fround(scale * (2 * random() - 1))));
}

const zeros = (): Lists => sizes.map((n) => new Float64Array(n));
const tensors = (lists: Lists): Tensor[] =>
  lists.map((data) => upload(Float32Array.from(data), [data.length], 'f32'));

async function expectEqual(got: Tensor[], want: Lists, tolerance = 2e-6): Promise<void> {
  for (const [i, t] of got.entries()) {
    expect(mismatch(await t.data(), want[i], tolerance, 0.5), `tensor ${i}`).toBeUndefined();
  }
}

/** Calls f(list, element) for every element of every list. */
function forEach(f: (k: number, i: number) => void): void {
  sizes.forEach((n, k) => {
    for (let i = 0; i < n; i++) f(k, i);
  });
}

describe('assign, lerp, clampInPlace', () => {
  scoped('assign copies bit for bit, any dtype, one or many', async () => {
    const [a, b] = [draw('a'), draw('b')];
    const [to, from] = [tensors(a), tensors(b)];
    assign(to, from);
    await expectEqual(to, b, 0);
    const bytes = upload(Uint8Array.of(1, 2, 3), [3], 'u8');
    assign(bytes, upload(Uint8Array.of(7, 8, 9), [3], 'u8'));
    expect(Array.from(await bytes.data())).toEqual([7, 8, 9]);
    const narrow = upload(Uint16Array.of(1, 2, 3), [3], 'bf16');
    assign(narrow, upload(Uint16Array.of(0x3f80, 0x7fc1, 0x8000), [3], 'bf16'));
    expect(Array.from(await narrow.data())).toEqual([0x3f80, 0x7fc1, 0x8000]);
  });

  scoped('assign to itself changes nothing', async () => {
    const t = tensors(draw('a'))[1];
    assign(t, t);
    await expectEqual([t], [draw('a')[1]], 0);
  });

  scoped('lerp moves by the weight and is exact at both ends', async () => {
    const [a, b] = [draw('a'), draw('b')];
    for (const weight of [0, 0.001, 0.5, 0.9, 1]) {
      const to = tensors(a);
      lerp(to, tensors(b), weight);
      const want = a.map((list, k) => list.map((v, i) => v + weight * (b[k][i] - v)));
      await expectEqual(to, want, weight === 0 || weight === 1 ? 0 : 2e-7);
    }
  });

  scoped('clampInPlace bounds numbers and keeps NaN', async () => {
    const p = upload(Float32Array.of(-3, -0.01, 0, 0.5, Number.NaN, Number.POSITIVE_INFINITY), [6], 'f32');
    clampInPlace([p], -0.25, 0.25);
    expect(Array.from(await p.data())).toEqual([-0.25, Math.fround(-0.01), 0, 0.25, Number.NaN, 0.25]);
  });
});

describe('sgd', () => {
  const plain = { lr: 0.1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false };
  const cases = [
    plain,
    { ...plain, weightDecay: 0.01 },
    { ...plain, momentum: 0.9, dampening: 0.3 },
    { ...plain, momentum: 0.9, weightDecay: 0.1, nesterov: true },
  ];
  for (const options of cases) {
    scoped(JSON.stringify(options), async () => {
      const [want, buf] = [draw('p'), zeros()];
      const [p, b] = [tensors(want), tensors(buf)];
      for (let step = 1; step <= 3; step++) {
        const grads = draw(`g${step}`);
        sgdStep(p, tensors(grads), b, { ...options, firstStep: step === 1 });
        const { lr, momentum, dampening, weightDecay, nesterov } = options;
        forEach((k, i) => {
          let g = grads[k][i] + weightDecay * want[k][i];
          if (momentum !== 0) {
            buf[k][i] = step === 1 ? g : momentum * buf[k][i] + (1 - dampening) * g;
            g = nesterov ? g + momentum * buf[k][i] : buf[k][i];
          }
          want[k][i] -= lr * g;
        });
      }
      await expectEqual(p, want);
      await expectEqual(b, buf);
    });
  }
});

describe('adam', () => {
  const plain = { lr: 0.01, beta1: 0.5, beta2: 0.999, eps: 1e-8, weightDecay: 0, decoupled: false };
  const cases = [
    plain,
    { ...plain, beta1: 0, beta2: 0.9, eps: 1e-3 },
    { ...plain, weightDecay: 0.1 },
    { ...plain, weightDecay: 0.1, decoupled: true },
  ];
  for (const options of cases) {
    scoped(JSON.stringify(options), async () => {
      const [want, first, second] = [draw('p'), zeros(), zeros()];
      const [p, m, v] = [want, first, second].map(tensors);
      for (let step = 1; step <= 4; step++) {
        const grads = draw(`g${step}`);
        adamStep(p, tensors(grads), m, v, { ...options, step });
        const { lr, beta1, beta2, eps, weightDecay, decoupled } = options;
        forEach((k, i) => {
          let g = grads[k][i];
          if (decoupled) want[k][i] *= 1 - lr * weightDecay;
          else g += weightDecay * want[k][i];
          first[k][i] = beta1 * first[k][i] + (1 - beta1) * g;
          second[k][i] = beta2 * second[k][i] + (1 - beta2) * g * g;
          const mean = first[k][i] / (1 - beta1 ** step);
          want[k][i] -= (lr * mean) / (Math.sqrt(second[k][i] / (1 - beta2 ** step)) + eps);
        });
      }
      await expectEqual(p, want);
      await expectEqual(m, first);
      await expectEqual(v, second);
    });
  }

  scoped('a NaN gradient makes its own element NaN and no other', async () => {
    const p = upload(Float32Array.of(1, 1, 1), [3], 'f32');
    const g = upload(Float32Array.of(1, Number.NaN, 1), [3], 'f32');
    const [m, v] = [0, 0].map(() => upload(new Float32Array(3), [3], 'f32'));
    adamStep([p], [g], [m], [v], { ...plain, step: 1 });
    expect(Array.from(await p.data()).map(Number.isNaN)).toEqual([false, true, false]);
  });
});

describe('rmsprop', () => {
  const plain = { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false };
  const cases = [
    plain,
    { ...plain, weightDecay: 0.1 },
    { ...plain, momentum: 0.9 },
    { ...plain, centered: true, eps: 1e-3 },
    { ...plain, centered: true, momentum: 0.5, eps: 1e-3 },
  ];
  for (const options of cases) {
    scoped(JSON.stringify(options), async () => {
      const [want, square, momentum, mean] = [draw('p'), zeros(), zeros(), zeros()];
      const p = tensors(want);
      const moments = { square: tensors(square), momentum: tensors(momentum), mean: tensors(mean) };
      for (let step = 1; step <= 3; step++) {
        const grads = draw(`g${step}`);
        rmspropStep(p, tensors(grads), moments, options);
        const { lr, alpha, eps, weightDecay, centered } = options;
        forEach((k, i) => {
          const g = grads[k][i] + weightDecay * want[k][i];
          square[k][i] = alpha * square[k][i] + (1 - alpha) * g * g;
          let spread = square[k][i];
          if (centered) {
            mean[k][i] = alpha * mean[k][i] + (1 - alpha) * g;
            spread -= mean[k][i] ** 2;
          }
          let direction = g / (Math.sqrt(spread) + eps);
          if (options.momentum !== 0) {
            momentum[k][i] = options.momentum * momentum[k][i] + direction;
            direction = momentum[k][i];
          }
          want[k][i] -= lr * direction;
        });
      }
      await expectEqual(p, want, 1e-5);
      await expectEqual(moments.square, square);
      await expectEqual(moments.mean, mean);
    });
  }
});

describe('refusals', () => {
  const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, decoupled: false, step: 1 };
  const of = (...shape: number[]) => upload(new Float32Array(shape.reduce((n, d) => n * d, 1)), shape, 'f32');

  scoped('shapes, dtypes and list lengths that do not fit', async () => {
    expect(() => assign(of(2), of(3))).toThrow(code('ERR_SHAPE'));
    expect(() => assign(of(2), upload(new Int32Array(2), [2], 'i32'))).toThrow(code('ERR_DTYPE'));
    expect(() => lerp([of(2)], [of(2), of(2)], 0.5)).toThrow(code('ERR_ARGUMENT'));
    expect(() => adamStep([of(2)], [of(2, 1)], [of(2)], [of(2)], adam)).toThrow(code('ERR_SHAPE'));
    expect(() => clampInPlace([upload(new Int32Array(2), [2], 'i32')], 0, 1)).toThrow(code('ERR_DTYPE'));
  });

  scoped('a tensor written twice, or written and read elsewhere', async () => {
    const [a, b] = [of(2), of(2)];
    expect(() => clampInPlace([a, a], 0, 1)).toThrow(code('ERR_ARGUMENT'));
    expect(() => assign([a, b], [b, a])).toThrow(code('ERR_ARGUMENT'));
    expect(() => adamStep([a], [of(2)], [b], [b], adam)).toThrow(code('ERR_ARGUMENT'));
    expect(() => sgdStep([of(2), of(2)], [a, a], undefined, { ...sgd })).not.toThrow();
  });

  const sgd = { lr: 0.1, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, firstStep: true };

  scoped('numbers out of range', async () => {
    const [p, g, m, v] = [of(2), of(2), of(2), of(2)];
    const step = (more: Partial<typeof adam>) => () => adamStep([p], [g], [m], [v], { ...adam, ...more });
    for (const more of [{ lr: Number.NaN }, { beta1: 1 }, { beta2: -0.1 }, { eps: -1 }, { step: 0 }]) {
      expect(step(more)).toThrow(code('ERR_ARGUMENT'));
    }
    expect(() => lerp([p], [g], 1.5)).toThrow(code('ERR_ARGUMENT'));
    expect(() => clampInPlace([p], 1, 0)).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('nothing to do for empty lists', async () => {
    adamStep([], [], [], [], adam);
    assign([], []);
  });
});

test('leaves no tensors behind', () => {
  expect(addon().memory().tensors).toBe(0);
});
