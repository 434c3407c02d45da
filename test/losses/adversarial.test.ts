// The objectives as a family: by name, relativistic or not, and where the formulas would overflow. Values are compared with
// formulas in losses.test.ts and with PyTorch in reference/techniques.test.ts.

import { expect, test } from 'vitest';
import { adversarialLosses } from '../../src/losses/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { add, cast, randn, tensor, zeros } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const all = Object.entries(adversarialLosses);
const comparing = all.filter(([name]) => name.startsWith('relativistic'));

scoped('every objective wants real logits above generated ones, from both sides', async () => {
  for (const [name, loss] of all) {
    // Within the margin of the hinge and the targets of least squares, so that no gradient is zero.
    const [real, fake] = [tensor([[0.3], [0.6]]), tensor([[0.2], [0.4]])];
    const d = valueAndGrad((r, f) => loss.discriminator(r, f), [real, fake]);
    const g = valueAndGrad((f) => loss.generator(f, undefined, real), [fake]);
    for (const slope of await d.grads[0].data()) expect(slope, name).toBeLessThan(0);
    for (const slope of await d.grads[1].data()) expect(slope, name).toBeGreaterThan(0);
    for (const slope of await g.grads[0].data()) expect(slope, name).toBeLessThan(0);
  }
});

scoped('relativistic objectives see differences only, and say that they need real logits', async () => {
  expect(comparing).toHaveLength(3);
  for (const [name, loss] of comparing) {
    expect(loss.relativistic, name).toBe(true);
    const [real, fake] = [randn([6, 1]), randn([6, 1])];
    const values = [
      loss.discriminator(real, fake),
      loss.discriminator(add(real, 5), add(fake, 5)),
      loss.generator(real, undefined, fake),
    ];
    const [value, shifted, exchanged] = await Promise.all(values.map((t) => t.item()));
    expect(shifted).toBeCloseTo(value, 5);
    expect(exchanged).toBe(value);
    expect(() => loss.generator(fake)).toThrow(code('ERR_ARGUMENT'));
  }
  for (const [name, loss] of all.filter(([, { relativistic }]) => !relativistic)) {
    const [alone, beside] = [loss.generator(zeros([2, 1])), loss.generator(zeros([2, 1]), {}, randn([2, 1]))];
    expect(await beside.item(), name).toBe(await alone.item());
  }
});

scoped('pairs need batches of one shape, averages do not', async () => {
  const [real, fake] = [randn([3, 1]), randn([4, 1])];
  expect(() => adversarialLosses.relativistic.discriminator(real, fake)).toThrow(code('ERR_SHAPE'));
  expect(() => adversarialLosses.relativistic.generator(fake, undefined, real)).toThrow(code('ERR_SHAPE'));
  expect(Number.isFinite(await adversarialLosses.relativisticAverage.discriminator(real, fake).item())).toBe(
    true,
  );
});

scoped(
  'relativistic objectives stay finite at logits of a thousand, and are f32 for bf16 logits',
  async () => {
    for (const [name, loss] of comparing) {
      const [real, fake] = [tensor([[-1000], [1000]]), tensor([[1000], [-1000]])];
      const { value, grads } = valueAndGrad((r, f) => loss.discriminator(r, f), [real, fake]);
      for (const v of [await value.item(), ...(await grads[0].data()), ...(await grads[1].data())])
        expect(Number.isFinite(v), name).toBe(true);
      const half = loss.generator(cast(fake, 'bf16'), undefined, cast(real, 'bf16'));
      expect(half.dtype).toBe('f32');
    }
  },
);
