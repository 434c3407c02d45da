// Scopes: what is freed when a function ends, synchronous or not, and how scopes nest and overlap in time.

import { expect, test } from 'vitest';
import { addon } from '../../src/native.js';
import { tensor } from '../../src/tensor/from.js';
import { exp, mul, square } from '../../src/tensor/ops/index.js';
import { keep, scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const vector = (...x: number[]) => tensor(Float32Array.from(x), [x.length]);
const live = () => addon().memory().tensors;
const pause = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms));

test('frees everything but the result', async () => {
  const before = live();
  const y = scope(() => square(exp(vector(0, 1))));
  expect(live()).toBe(before + 1);
  expect(Array.from(await y.data())[0]).toBe(1);
  y.dispose();
  expect(live()).toBe(before);
});

test('finds results in arrays, plain objects, Maps and Sets', () => {
  const before = live();
  const cycle: { self?: unknown; t?: Tensor } = {};
  const result = scope(() => {
    exp(vector(9));
    cycle.self = cycle;
    cycle.t = vector(5);
    return {
      list: [vector(1), [vector(2)]],
      map: new Map([['a', vector(3)]]),
      set: new Set([vector(4)]),
      cycle,
    };
  });
  expect(live()).toBe(before + 5);
  const found = [
    result.list[0],
    (result.list[1] as Tensor[])[0],
    result.map.get('a')!,
    ...result.set,
    cycle.t!,
  ];
  for (const t of found as Tensor[]) {
    expect(t.disposed).toBe(false);
    t.dispose();
  }
  expect(live()).toBe(before);
});

test('a result of an inner scope belongs to the outer one', () => {
  const before = live();
  let inner: Tensor | undefined;
  scope(() => {
    inner = scope(() => exp(vector(1)));
    expect(inner!.disposed).toBe(false);
    expect(live()).toBe(before + 1);
  });
  expect(inner!.disposed).toBe(true);
  expect(live()).toBe(before);
});

test('does not free tensors from outside', () => {
  const x = vector(1);
  scope(() => {
    exp(x);
  });
  expect(x.disposed).toBe(false);
  expect(scope(() => x)).toBe(x);
  x.dispose();
});

test('keep takes a tensor out of every scope', () => {
  const before = live();
  let kept: Tensor | undefined;
  scope(() => {
    scope(() => {
      kept = keep(exp(vector(1)));
    });
  });
  expect(kept!.disposed).toBe(false);
  expect(live()).toBe(before + 1);
  expect(keep(kept!)).toBe(kept);
  kept!.dispose();
});

test('an error frees everything and comes out unchanged', async () => {
  const before = live();
  const failure = new Error('mine');
  const fail = () => {
    exp(vector(1));
    throw failure;
  };
  expect(() => scope(fail)).toThrow(failure);
  await expect(
    scope(async () => {
      await pause();
      fail();
    }),
  ).rejects.toBe(failure);
  expect(live()).toBe(before);
});

test('an async scope waits for its function', async () => {
  const before = live();
  const y = await scope(async () => {
    const x = vector(1, 2);
    await pause();
    const z = mul(x, x);
    await z.data();
    expect(x.disposed).toBe(false);
    return exp(z);
  });
  expect(live()).toBe(before + 1);
  y.dispose();
});

test('async scopes that overlap in time do not mix', async () => {
  const before = live();
  const run = (ms: number) =>
    scope(async () => {
      const x = vector(ms);
      await pause(ms);
      const y = square(x);
      await pause(ms);
      expect(x.disposed).toBe(false);
      return y;
    });
  const results = await Promise.all([3, 1, 2].map(run));
  expect(live()).toBe(before + 3);
  expect(await Promise.all(results.map((t: Tensor) => t.item()))).toEqual([9, 1, 4]);
  for (const t of results) t.dispose();
});

test('tensors disposed inside are not counted twice', () => {
  const before = live();
  scope(() => {
    const x = vector(1);
    x.dispose();
    const y = vector(2); // may take the slot that x had
    x.dispose();
    expect(y.disposed).toBe(false);
  });
  expect(live()).toBe(before);
});

test('a promise read after its scope has ended still resolves', async () => {
  const pending = scope(() => {
    const y = exp(vector(0));
    return { read: y.data() };
  });
  expect(Array.from(await pending.read)).toEqual([1]);
});
