// The gradient engine itself: nesting, which tensors get gradients, what is freed when, and what state errors leave
// behind. The rules of single ops are tested in ops.test.ts, penalties through whole critics in reference/.

import { afterEach, describe, expect, test } from 'vitest';
import { GanvasError } from '../../src/errors.js';
import { addon } from '../../src/native.js';
import { grad, noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import { tensor } from '../../src/tensor/from.js';
import {
  add,
  cast,
  exp,
  matmul,
  mean,
  mul,
  sin,
  square,
  sub,
  sum,
  tanh,
} from '../../src/tensor/ops/index.js';
import { keep, scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const scalar = (x: number) => tensor(Float32Array.of(x), []);
const vector = (...x: number[]) => tensor(Float32Array.from(x), [x.length]);
const values = async (t: Tensor) => Array.from(await t.data());
const live = () => addon().memory().tensors;
const code = (c: string) => expect.objectContaining({ code: c });

/** Runs a test in a scope of its own and checks that nothing made in it is left. */
const clean = (name: string, fn: () => void | Promise<void>) =>
  test(name, async () => {
    const before = live();
    await scope(async () => {
      await fn();
    });
    expect(live(), 'live tensors').toBe(before);
  });

describe('values', () => {
  clean('returns the value and one gradient per parameter', async () => {
    const [a, b] = [vector(1, 2, 3), vector(4, 5, 6)];
    const { value, grads } = valueAndGrad((x, y) => sum(mul(square(x), y)), [a, b]);
    expect(await values(value)).toEqual([4 + 20 + 54]);
    expect(await values(grads[0])).toEqual([8, 20, 36]);
    expect(await values(grads[1])).toEqual([1, 4, 9]);
  });

  clean('sees parameters used through a closure', async () => {
    const w = scalar(3);
    const { grads } = valueAndGrad(() => square(w), [w]);
    expect(await values(grads[0])).toEqual([6]);
  });

  clean('gives zeros for a parameter that the loss does not use', async () => {
    const [a, b] = [vector(1, 2), tensor(new Float32Array(6), [2, 3])];
    const { grads } = valueAndGrad(() => sum(a), [a, b]);
    expect(grads[1].shape).toEqual([2, 3]);
    expect(await values(grads[1])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await values(valueAndGrad(() => scalar(1), [a]).grads[0])).toEqual([0, 0]);
  });

  clean('gives a parameter listed twice its gradient twice, on handles of their own', async () => {
    const a = scalar(3);
    const { grads } = valueAndGrad(() => square(a), [a, a]);
    grads[0].dispose();
    expect(await values(grads[1])).toEqual([6]);
  });

  clean('gives each operand of a sum a gradient of its own', async () => {
    const [a, b] = [vector(1, 2), vector(3, 4)];
    const { grads } = valueAndGrad(() => sum(add(a, b)), [a, b]);
    grads[0].dispose();
    expect(await values(grads[1])).toEqual([1, 1]);
  });

  clean('adds the paths through a shared subexpression', async () => {
    const x = scalar(0.5);
    const f = () => {
      const s = mul(x, x); // d/dx (s^2 + s + 3 s x) = 2 s 2x + 2x + 9 x^2
      return add(add(mul(s, s), s), mul(mul(s, x), scalar(3)));
    };
    expect((await values(valueAndGrad(f, [x]).grads[0]))[0]).toBeCloseTo(4 * 0.125 + 1 + 9 * 0.25, 6);
  });

  clean('adds the uses of one tensor as both operands', async () => {
    const x = vector(1, 2);
    expect(await values(valueAndGrad(() => sum(add(x, x)), [x]).grads[0])).toEqual([2, 2]);
    expect(await values(valueAndGrad(() => sum(sub(x, x)), [x]).grads[0])).toEqual([0, 0]);
  });

  clean('differentiates the identity', async () => {
    const x = scalar(2);
    const { value, grads } = valueAndGrad((p) => p, [x]);
    expect(value).toBe(x);
    expect(await values(grads[0])).toEqual([1]);
    expect(await values(grad((p: Tensor) => p)(x))).toEqual([1]);
    expect(x.disposed).toBe(false);
  });

  clean('keeps auxiliary results beside the loss', async () => {
    const x = vector(1, 2);
    const { value, grads } = valueAndGrad(() => {
      const y = square(x);
      return { loss: sum(y), y, more: { list: [exp(x)] } };
    }, [x]);
    expect(await values(value.y)).toEqual([1, 4]);
    expect((await values(value.more.list[0]))[0]).toBeCloseTo(Math.E, 5);
    expect(await values(grads[0])).toEqual([2, 4]);
  });

  clean('treats results of noGrad as constants', async () => {
    const x = scalar(3);
    expect(
      await values(
        valueAndGrad(
          () =>
            mul(
              x,
              noGrad(() => square(x)),
            ),
          [x],
        ).grads[0],
      ),
    ).toEqual([9]);
  });

  clean('differentiates through a long chain without a deep stack', async () => {
    const x = scalar(1);
    const one = scalar(1);
    const chain = () => {
      let y = x;
      for (let i = 0; i < 20_000; i++) y = add(y, one);
      return y;
    };
    expect(await values(valueAndGrad(chain, [x]).grads[0])).toEqual([1]);
  });
});

describe('nesting', () => {
  const third = (f: (x: Tensor) => Tensor) => grad(grad(grad(f)));

  for (const [name, f, closed] of [
    ['x^5', (x: Tensor) => x.pow(5), (x: number) => 60 * x ** 2],
    ['exp', exp, Math.exp],
    ['sin', sin, (x: number) => -Math.cos(x)],
    [
      'exp(sin(x))',
      (x: Tensor) => exp(sin(x)),
      (x: number) => {
        const [s, c] = [Math.sin(x), Math.cos(x)];
        return Math.exp(s) * (c ** 3 - 3 * s * c - c);
      },
    ],
    [
      'x tanh(x)',
      (x: Tensor) => mul(x, tanh(x)),
      (x: number) => {
        const t = Math.tanh(x);
        const [d1, d2] = [1 - t * t, -2 * t * (1 - t * t)];
        return 3 * d2 + x * (-2 * d1 * d1 - 2 * t * d2);
      },
    ],
  ] as [string, (x: Tensor) => Tensor, (x: number) => number][]) {
    clean(`third derivative of ${name}`, async () => {
      const got = (await values(third(f)(scalar(0.7))))[0];
      expect(got / closed(0.7)).toBeCloseTo(1, 4);
    });
  }

  clean('grad inside valueAndGrad, by another parameter', async () => {
    const [x, w] = [vector(1, 2), scalar(3)]; // g = d sum(w x^2)/dx = 2 w x; sum(g^2) = 4 w^2 sum(x^2)
    const { value, grads } = valueAndGrad(
      () => sum(square(grad((p: Tensor) => sum(mul(w, square(p))))(x))),
      [w, x],
    );
    expect(await values(value)).toEqual([4 * 9 * 5]);
    expect(await values(grads[0])).toEqual([8 * 3 * 5]);
    expect(await values(grads[1])).toEqual([8 * 9, 8 * 9 * 2]);
  });

  clean('valueAndGrad inside valueAndGrad', async () => {
    const x = scalar(2);
    const outer = valueAndGrad(() => {
      const { value, grads } = valueAndGrad(() => mul(square(x), x), [x]);
      return add(value, grads[0]); // x^3 + 3 x^2
    }, [x]);
    expect(await values(outer.value)).toEqual([8 + 12]);
    expect(await values(outer.grads[0])).toEqual([12 + 12]);
  });

  clean('the inner gradient watches only what it is asked for', async () => {
    const [x, y] = [scalar(2), scalar(5)];
    const inner = grad((a: Tensor, b: Tensor) => mul(square(a), b), [0, 1]);
    const { grads } = valueAndGrad(() => {
      const [da, db] = inner(x, y); // 2 x y and x^2
      return add(da, db);
    }, [x, y]);
    expect(await values(grads[0])).toEqual([2 * 5 + 2 * 2]);
    expect(await values(grads[1])).toEqual([4]);
  });

  clean('an inner gradient of an intermediate of the outer one', async () => {
    const x = scalar(0.5);
    const f = () => {
      const y = square(x);
      return mul(grad((p: Tensor) => mul(mul(p, p), p))(y), y); // 3 y^2 y = 3 x^6
    };
    expect((await values(valueAndGrad(f, [x]).grads[0]))[0]).toBeCloseTo(18 * 0.5 ** 5, 6);
  });

  clean('a Hessian-vector product of a small network', async () => {
    const w = tensor(Float32Array.of(0.1, -0.4, 0.3, 0.2), [2, 2]);
    const x = tensor(Float32Array.of(1, 2), [1, 2]);
    const v = tensor(Float32Array.of(1, 0, -1, 2), [2, 2]);
    const loss = (p: Tensor) => mean(square(tanh(matmul(x, p))));
    const { grads } = valueAndGrad(() => sum(mul(grad(loss)(w), v)), [w]);
    const h = 3e-3;
    const [up, down] = [h, -h].map((t) => grad(loss)(add(w, mul(v, scalar(t)))));
    const [got, a, b] = await Promise.all([values(grads[0]), values(up), values(down)]);
    got.forEach((g, i) => {
      expect(g).toBeCloseTo((a[i] - b[i]) / (2 * h), 2);
    });
  });
});

describe('memory', () => {
  clean('frees every intermediate: only the value and the gradients remain', async () => {
    const w = vector(1, 2, 3);
    const before = live();
    const { value, grads } = valueAndGrad(() => mean(square(tanh(mul(exp(w), w)))), [w]);
    expect(live()).toBe(before + 2);
    value.dispose();
    grads[0].dispose();
    expect(live()).toBe(before);
  });

  clean('frees every intermediate of a nested gradient', async () => {
    const [x, w] = [vector(1, 2), vector(0.5, 0.25)];
    const before = live();
    const { value, grads } = valueAndGrad(() => {
      const slope = grad((p: Tensor) => sum(tanh(mul(p, w))))(x);
      return mean(square(sub(square(slope), scalar(1))));
    }, [w]);
    expect(live()).toBe(before + 2);
    for (const t of [value, ...grads]) t.dispose();
  });

  clean('a step in a loop keeps the number of tensors and the memory constant', async () => {
    const w = tensor(new Float32Array(1000).fill(0.5), [1000]);
    const step = async () => {
      const { value, grads } = valueAndGrad(() => mean(square(tanh(w))), [w]);
      const loss = await value.item();
      for (const t of [value, ...grads]) t.dispose();
      return loss;
    };
    await step();
    const [tensors, bytes] = [live(), addon().memory().live];
    for (let i = 0; i < 50; i++) await step();
    await addon().sync();
    expect(live()).toBe(tensors);
    expect(addon().memory().live).toBe(bytes);
  });

  clean('forward memory is returned during the backward pass, not after it', async () => {
    const n = 1 << 18;
    const w = tensor(new Float32Array(n).fill(0.1), [n]);
    await addon().sync();
    addon().resetPeakMemory();
    const start = addon().memory().live;
    const { value, grads } = valueAndGrad(() => {
      let y = w;
      for (let i = 0; i < 16; i++) y = tanh(y);
      return sum(y);
    }, [w]);
    await value.item();
    // 16 saved results and a few cotangents; keeping the cotangents as well would take 32.
    expect((addon().memory().peak - start) / (4 * n)).toBeLessThan(21);
    for (const t of [value, ...grads]) t.dispose();
  });

  clean('a scope inside the differentiated function does not free what the gradient needs', async () => {
    const x = vector(1, 2);
    const { grads } = valueAndGrad(() => scope(() => sum(square(tanh(x)))), [x]);
    const t = [1, 2].map(Math.tanh);
    (await values(grads[0])).forEach((g, i) => {
      expect(g).toBeCloseTo(2 * t[i] * (1 - t[i] ** 2), 5);
    });
  });

  clean('keep saves an intermediate', async () => {
    const x = vector(1, 2);
    let kept: Tensor | undefined;
    valueAndGrad(() => {
      kept = keep(square(x));
      return sum(kept);
    }, [x]);
    expect(await values(kept!)).toEqual([1, 4]);
    kept!.dispose();
  });
});

describe('errors', () => {
  // Whatever a test did, the engine must be able to take a gradient afterwards, and must not be recording.
  afterEach(async () => {
    await scope(async () => {
      const x = scalar(3);
      expect(await values(valueAndGrad(() => square(x), [x]).grads[0])).toEqual([6]);
      expect(square(x).node).toBeUndefined();
      expect(x.node).toBeUndefined();
    });
  });

  clean('an error in the function comes out unchanged and leaves nothing behind', () => {
    const x = vector(1, 2);
    const before = live();
    const failure = new Error('mine');
    const fail = (_?: Tensor): Tensor => {
      square(exp(x));
      throw failure;
    };
    expect(() => valueAndGrad(fail, [x])).toThrow(failure);
    expect(() => valueAndGrad(() => grad(fail)(x), [x])).toThrow(failure);
    expect(() => grad((p: Tensor) => grad(fail)(p))(x)).toThrow(failure);
    expect(live()).toBe(before);
  });

  clean('an inner error that the function catches does not disturb the outer gradient', async () => {
    const x = scalar(2);
    const { grads } = valueAndGrad(() => {
      try {
        grad(() => {
          throw new Error('inner');
        })();
      } catch {
        return square(x);
      }
      return x;
    }, [x]);
    expect(await values(grads[0])).toEqual([4]);
  });

  clean('the loss must be one f32 element', () => {
    const x = vector(1, 2);
    expect(() => valueAndGrad(() => square(x), [x])).toThrow(code('ERR_SHAPE'));
    expect(() => grad(square)(x)).toThrow(code('ERR_SHAPE'));
    expect(() => valueAndGrad(() => 3 as never, [x])).toThrow(code('ERR_ARGUMENT'));
    expect(() => valueAndGrad(() => undefined as never, [x])).toThrow(code('ERR_ARGUMENT'));
    expect(() => valueAndGrad(() => ({ loss: 1 }) as never, [x])).toThrow(code('ERR_ARGUMENT'));
    expect(() => valueAndGrad(() => cast(sum(x), 'i32'), [x])).toThrow(code('ERR_DTYPE'));
  });

  clean('an async function is refused, and its promise is not left to crash the process', async () => {
    const x = vector(1, 2);
    const late = async () => {
      const y = square(x);
      await Promise.resolve();
      return sum(y); // y is gone by now
    };
    expect(() => valueAndGrad(late as never, [x])).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT', message: expect.stringContaining('async') }),
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
  });

  clean('parameters must be live f32 tensors', () => {
    const gone = scalar(1);
    gone.dispose();
    const whole = tensor(Int32Array.of(1, 2), [2]);
    const loss = () => scalar(1);
    expect(() => valueAndGrad(loss, [whole])).toThrow(code('ERR_DTYPE'));
    expect(() => valueAndGrad(loss, [gone])).toThrow(code('ERR_DISPOSED'));
    expect(() => valueAndGrad(loss, [1 as never])).toThrow(code('ERR_ARGUMENT'));
    expect(() => valueAndGrad(loss, [undefined as never])).toThrow(code('ERR_ARGUMENT'));
    expect(() => grad(loss as (x: Tensor) => Tensor)(whole)).toThrow(code('ERR_DTYPE'));
    expect(() => grad(loss as (x: Tensor) => Tensor, 3)(whole)).toThrow(code('ERR_ARGUMENT'));
  });

  clean('using a disposed tensor names its shape and the remedies', () => {
    const x = tensor(new Float32Array(6), [2, 3]);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(() => square(x)).toThrow(GanvasError);
    expect(() => square(x)).toThrow(/\[2,3\].*keep\(\)/s);
    expect(() => mul(scalar(1), x)).toThrow(code('ERR_DISPOSED'));
  });

  clean('reading a disposed tensor rejects', async () => {
    const x = scalar(1);
    x.dispose();
    await expect(x.data()).rejects.toThrow(code('ERR_DISPOSED'));
    await expect(x.item()).rejects.toThrow(code('ERR_DISPOSED'));
  });

  clean('disposing a tensor that the gradient needs says so', () => {
    const x = vector(1, 2);
    const loss = () => {
      const y = exp(x);
      const z = sum(square(y));
      y.dispose();
      return z;
    };
    expect(() => valueAndGrad(loss, [x])).toThrow(code('ERR_DISPOSED'));
  });
});
