// capture(): what cannot be recorded is refused with a reason; errors while running stay with their run; memory is taken
// once and given back. Nothing that is disposed, wrong or huge harms the process.

import { afterEach, describe, expect, test } from 'vitest';
import { device, memory, setMemoryLimit, sync } from '../../src/device.js';
import { Linear, Sequential } from '../../src/nn/index.js';
import { Adam, SGD } from '../../src/optim/index.js';
import { grad, noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import * as ops from '../../src/tensor/ops/index.js';
import { capture } from '../../src/tensor/program.js';
import { defaultGenerator } from '../../src/tensor/random-state.js';
import { keep, scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const { randn, tensor, zeros } = ops;
const code = (c: string, message = /./) =>
  expect.objectContaining({ code: c, message: expect.stringMatching(message) });

afterEach(async () => {
  await sync();
});

describe('what is refused', () => {
  test('other inputs than those of the recording, with the number of the input', () => {
    scope(() => {
      const program = capture((...xs: Tensor[]) => xs[0].add(xs[1]));
      program.run([zeros([2, 3]), zeros([3])]);
      expect(() => program.run([zeros([2, 3]), zeros([2])])).toThrow(
        code('ERR_SHAPE', /input 1 must be f32 \[3\].*got f32 \[2\]/),
      );
      expect(() => program.run([zeros([2, 3]), zeros([3], 'i32')])).toThrow(code('ERR_DTYPE', /input 1/));
      expect(() => program.run([zeros([2, 3])])).toThrow(code('ERR_ARGUMENT', /2 inputs, got 1/));
      expect(() => program.run([zeros([2, 3]), 3 as never])).toThrow(code('ERR_ARGUMENT', /input 1/));
      const gone = zeros([3]);
      gone.dispose();
      expect(() => program.run([zeros([2, 3]), gone])).toThrow(code('ERR_DISPOSED'));
      program.dispose();
      program.dispose();
      expect(() => program.run([zeros([2, 3]), zeros([3])])).toThrow(code('ERR_DISPOSED'));
      expect(() => capture(3 as never)).toThrow(code('ERR_ARGUMENT'));
    });
  });

  const cases: [string, (x: Tensor) => unknown, RegExp][] = [
    ['an async function', async (x) => x.add(1), /promise/],
    ['a class instance as result', () => new Date(), /plain objects/],
    ['a capture inside', (x) => capture((y: Tensor) => y.add(1)).run([x]), /cannot run while/],
    ['keeping a tensor', (x) => keep(x.add(1)).add(1), /keeps a tensor/],
  ];
  test.each(cases)('%s', (_, fn, message) => {
    scope(() => {
      const program = capture(fn as never);
      expect(() => program.run([zeros([2])] as never)).toThrow(code('ERR_CAPTURE', message));
    });
  });

  test('reading values inside', async () => {
    await scope(async () => {
      const attempts: Promise<unknown>[] = [];
      capture((x: Tensor) => {
        attempts.push(x.add(1).data(), sync());
        return x.add(1);
      }).run([zeros([2])]);
      for (const attempt of attempts) await expect(attempt).rejects.toThrow(code('ERR_CAPTURE', /while/));
    });
  });

  test('a gradient through a run', () => {
    scope(() => {
      const program = capture((x: Tensor) => x.square().sum());
      const x = zeros([2]);
      expect(() => grad((t: Tensor) => program.run([t]))(x)).toThrow(code('ERR_NOT_DIFFERENTIABLE'));
      expect(noGrad(() => program.run([x])).shape).toEqual([]);
    });
  });

  test('an error inside leaves nothing behind: no recording, no tensors, no random numbers drawn, no step taken', async () => {
    await scope(async () => {
      const w = zeros([2]);
      const adam = new Adam([w]);
      await sync();
      const before = { tensors: memory().tensors, random: defaultGenerator.state() };
      const program = capture((x: Tensor) => {
        adam.step([randn([2])]);
        return x.add(zeros([3]));
      });
      const x = zeros([2]);
      expect(() => program.run([x])).toThrow(code('ERR_SHAPE', /add/));
      x.dispose();
      expect({ tensors: memory().tensors, random: defaultGenerator.state() }).toEqual(before);
      expect(adam.steps).toBe(0);
      expect(await w.add(1).array()).toEqual([1, 1]);
      adam.dispose();
    });
  });

  test('a tensor carried out of the recording says so when it is read', async () => {
    await scope(async () => {
      let stolen: Tensor | undefined;
      const program = capture((x: Tensor) => {
        stolen = x.add(1);
        return stolen;
      });
      expect(await program.run([zeros([1])]).item()).toBe(1);
      expect(() => stolen!.add(1)).toThrow(code('ERR_DISPOSED'));
    });
  });
});

describe('errors while running', () => {
  // A GPU reports what its kernels found wrong at the next read: test/cuda/programs.test.ts.
  test.skipIf(device() !== 'cpu')('reject the reads of that run and leave later runs alone', async () => {
    await scope(async () => {
      const table = tensor([[1], [2]]);
      const program = capture((i: Tensor) => ops.gather(table, i).mul(2).add(1));
      const index = (k: number) => tensor([k], [1], 'i32');
      const good = program.run([index(1)]);
      const bad = program.run([index(7)]);
      const after = program.run([index(0)]);
      await expect(bad.add(1).data()).rejects.toThrow(code('ERR_INDEX', /gather/));
      expect(await good.array()).toEqual([[5]]);
      expect(await after.array()).toEqual([[3]]);
      await expect(program.run([ops.cast(bad.reshape([1]), 'i32')]).data()).rejects.toThrow(
        code('ERR_INDEX'),
      );
    });
  });

  test('out of memory is an error of the run, and the next one works', async () => {
    await scope(async () => {
      await sync();
      const { limit } = memory();
      const program = capture((x: Tensor) =>
        ops
          .broadcastTo(x, [1024, 1024])
          .matmul(x.reshape([1024, 1]))
          .sum(),
      );
      setMemoryLimit(memory().live + 2 ** 20);
      await expect(program.run([zeros([1024])]).data()).rejects.toThrow(code('ERR_OUT_OF_MEMORY'));
      setMemoryLimit(limit);
      expect(await program.run([zeros([1024])]).item()).toBe(0);
      program.dispose();
    });
  });

  test('a live attribute out of range is refused at once', () => {
    scope(() => {
      const w = zeros([1]);
      class Wild extends SGD {
        rate = 1;
        protected override readonly liveRate = { width: 1, values: () => [this.rate] };
      }
      const sgd = new Wild([w], { lr: 1 });
      const program = capture(() => {
        sgd.step([ops.ones([1])]);
        return 0;
      });
      program.run([]);
      sgd.rate = Number.NaN;
      expect(() => program.run([])).toThrow(code('ERR_ARGUMENT', /lr/));
    });
  });
});

describe('memory', () => {
  test('parameters that are disposed live on in the program; disposing it frees everything', async () => {
    await sync();
    const before = memory();
    await scope(async () => {
      const w = ops.full([256, 256], 1);
      const program = capture((x: Tensor) => x.matmul(w).matmul(w).sum());
      const first = program.run([ops.ones([1, 256])]);
      w.dispose();
      const second = program.run([ops.ones([1, 256])]);
      expect(await first.item()).toBe(256 ** 3);
      expect(await second.item()).toBe(256 ** 3);
      program.dispose();
    });
    await sync();
    expect(memory().live).toBe(before.live);
    expect(memory().tensors).toBe(before.tensors);
  });

  test('is taken once: the hundredth run needs no more than the third', async () => {
    await scope(async () => {
      const model = new Sequential(new Linear(64, 256, { activation: 'tanh' }), new Linear(256, 1));
      const adam = new Adam(model);
      const program = capture((x: Tensor) => {
        const { value, grads } = valueAndGrad(() => model.forward(x).square().mean(), model.parameters());
        adam.step(grads);
        return value;
      });
      const run = () => program.run([randn([32, 64])]).dispose();
      for (let i = 0; i < 3; i++) scope(run);
      await sync();
      const warm = memory();
      for (let i = 0; i < 100; i++) scope(run);
      await sync();
      const { live, cached, tensors } = memory();
      expect(live + cached).toBe(warm.live + warm.cached);
      expect(tensors).toBe(warm.tensors);
      program.dispose();
      model.dispose();
      adam.dispose();
    });
  });

  test('intermediates share an arena no larger than what is alive at once', async () => {
    await scope(async () => {
      await sync();
      const size = 2 ** 18;
      const program = capture((x: Tensor) => {
        let y = x;
        for (let i = 0; i < 20; i++)
          y = y
            .reshape([size / 64, 64])
            .matmul(ops.eye(64))
            .reshape([size]);
        return y.sum();
      });
      const x = ops.ones([size]);
      await sync();
      const before = memory().live;
      expect(await program.run([x]).item()).toBe(size);
      await sync();
      expect(memory().live - before).toBeLessThan(3 * 4 * size);
      program.dispose();
    });
  });

  test('programs of different sizes share one arena', async () => {
    await scope(async () => {
      const small = capture((x: Tensor) => x.reshape([-1, 4]).sum(0).exp().sum());
      const large = capture((x: Tensor) => x.reshape([-1, 4]).transpose().sum(0).exp().sum());
      const [a, b] = [ops.ones([64]), ops.ones([2 ** 16])];
      const values = [small.run([a]), large.run([b]), small.run([a]), large.run([b])];
      const numbers = await Promise.all(values.map((t) => t.item()));
      expect(numbers[0]).toBe(numbers[2]);
      expect(numbers[1]).toBe(numbers[3]);
      small.dispose();
      expect(await large.run([b]).item()).toBe(numbers[1]);
      large.dispose();
    });
  });

  test('a program of 20,000 operations', async () => {
    await scope(async () => {
      const program = capture((x: Tensor) => {
        let y = x;
        for (let i = 0; i < 10_000; i++) y = y.add(1).sum(0, true);
        return y;
      });
      for (const v of [1, 2]) expect(await program.run([tensor([v])]).item()).toBe(v + 10_000);
      expect(program.size.operations).toBe(20_000);
      program.dispose();
    });
  });
});
