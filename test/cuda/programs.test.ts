// capture() on a CUDA device, where a program becomes graphs: that it does, with the bits of calling the function; what
// may change between runs; memory that moves under graphs; errors; and whole training runs that change devices. That
// programs work at all is test/tensor/program.test.ts, which runs on the device too.

import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { device, memory, sync } from '../../src/device.js';
import { BatchNorm2d, Conv2d, Dropout, Flatten, Linear, Sequential } from '../../src/nn/index.js';
import { Adam, SGD } from '../../src/optim/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { setConvPrecision } from '../../src/tensor/ops/conv.js';
import * as ops from '../../src/tensor/ops/index.js';
import { capture } from '../../src/tensor/program.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { loadGenerator } from '../../src/train/generator.js';
import { trainRun } from '../../src/train/run.js';
import { RunDirectory } from '../../src/train/run-directory.js';
import { sameBits } from '../tensor/same-bits.js';
import { temporaryFolder, tinyConfig, tinyData } from '../train/helpers.js';
import { describeOnCuda, on } from './on-cuda.js';

const { ones, randn, tensor, zeros } = ops;
const failing = (code: string) => expect.objectContaining({ code });
const folder = await temporaryFolder();

describeOnCuda('graphs', () => {
  test('there are some from the second run on', () =>
    scope(async () => {
      const program = capture((x: Tensor) => x.mul(2).matmul(x).softmax().sum());
      const seen: number[] = [];
      const results: number[] = [];
      for (let i = 0; i < 4; i++) {
        results.push(await program.run([ones([4, 4])]).item());
        seen.push(program.size.graphs);
      }
      expect(seen[0]).toBe(0);
      expect(seen.slice(1)).toEqual([1, 1, 1]);
      expect(results).toEqual([4, 4, 4, 4]);
      program.dispose();
    }));

  test('a training step with convolutions, norms, dropout and Adam has the bits of an eager one', () =>
    sameBits(
      () => {
        const net = new Sequential(
          new Conv2d(2, 6, 3, { padding: 1, activation: 'leakyRelu' }),
          new BatchNorm2d(6, { activation: 'relu' }),
          new Conv2d(6, 4, 4, { stride: 2, padding: 1 }),
          new Flatten(),
          new Dropout(0.2),
          new Linear(4 * 4 * 4, 1),
        );
        const adam = new Adam(net, { lr: 0.01 });
        return {
          fn: (x) => {
            const { value, grads } = valueAndGrad(
              () =>
                net
                  .forward(x.add(randn(x.shape).mul(0.1)))
                  .square()
                  .mean(),
              net.parameters(),
            );
            adam.step(grads);
            return value;
          },
          state: () => Object.values(net.stateDict()),
        };
      },
      () => [randn([3, 8, 8, 2])],
    ));

  test('learning rates and random numbers follow from run to run', () =>
    scope(async () => {
      const w = zeros([2]);
      const sgd = new SGD([w], { lr: 1 });
      const program = capture(() => {
        sgd.step([ones([2])]);
        return randn([3]);
      });
      manualSeed(4);
      const drawn: number[][] = [];
      for (const lr of [1, 0.5, 0.25, 0.125]) {
        sgd.lr = lr;
        drawn.push((await program.run([]).array()) as number[]);
      }
      expect(await w.array()).toEqual([-1.875, -1.875]);
      manualSeed(4);
      for (const row of drawn) expect(row).toEqual(await randn([3]).array());
      expect(new Set(drawn.flat()).size).toBe(12);
      program.dispose();
      sgd.dispose();
    }));

  test('uploads inside are the same in each run, and each run has results of its own', () =>
    scope(async () => {
      const program = capture((x: Tensor) => {
        const constant = tensor([1, 2, 3]);
        const written = tensor([0, 0, 0]);
        ops.lerp([written], [x], 0.5);
        return { sum: x.add(constant), written };
      });
      const runs = [2, 4, 6, 8].map((v) => program.run([ops.full([3], v)]));
      for (const [i, { sum, written }] of runs.entries()) {
        const v = 2 * (i + 1);
        expect(await sum.array()).toEqual([v + 1, v + 2, v + 3]);
        expect(await written.array()).toEqual([v / 2, v / 2, v / 2]);
      }
      program.dispose();
    }));

  test('an input that the function writes is written, and one that is state is seen as it is', () =>
    scope(async () => {
      const state = tensor([1]);
      const program = capture((x: Tensor, y: Tensor) => {
        ops.assign([x], [x.add(10)]);
        ops.assign([state], [state.mul(2)]);
        return x.add(y);
      });
      for (const times of [1, 2, 3, 4]) {
        const x = tensor([times]);
        // y is the state after the change, x after its own.
        expect(await program.run([x, state]).item()).toBe(times + 10 + 2 ** times);
        expect(await x.item()).toBe(times + 10);
        expect(await state.item()).toBe(2 ** times);
      }
      const other = tensor([100]);
      expect(await program.run([tensor([0]), other]).item()).toBe(110);
      program.dispose();
    }));
});

describeOnCuda('memory under graphs', () => {
  test('a second, larger program moves it: both stay right', () =>
    scope(async () => {
      const play = () => capture((x: Tensor) => x.matmul(x).add(1).matmul(x).sum());
      const small = play();
      const large = play();
      const expected = (side: number) => side * side * (side * side + side);
      for (const side of [8, 8, 8, 200, 8, 200, 200, 8, 8, 200]) {
        const program = side === 8 ? small : large;
        expect(await program.run([ones([side, side])]).item()).toBeCloseTo(expected(side), -3);
      }
      expect([small.size.graphs, large.size.graphs].every((n) => n > 0)).toBe(true);
      small.dispose();
      expect(await large.run([ones([200, 200])]).item()).toBeCloseTo(expected(200), -3);
      large.dispose();
    }));

  test('disposing a program while its runs wait lets them finish, and gives everything back', async () => {
    await sync();
    const before = memory();
    await scope(async () => {
      const w = ones([128, 128]);
      const program = capture((x: Tensor) => x.matmul(w).matmul(w).sum());
      const results = Array.from({ length: 20 }, (_, i) => program.run([ops.full([1, 128], i)]));
      program.dispose();
      w.dispose();
      expect(await Promise.all(results.map((t) => t.item()))).toEqual(results.map((_, i) => i * 128 ** 3));
    });
    await sync();
    expect(memory()).toMatchObject({ live: before.live, tensors: before.tensors });
  });

  test('many programs come and go', async () => {
    await sync();
    const before = memory();
    for (let n = 1; n <= 12; n++) {
      await scope(async () => {
        const program = capture((x: Tensor) => x.add(n).sum());
        for (let i = 0; i < 3; i++) expect(await program.run([zeros([n * 100])]).item()).toBe(n * n * 100);
        program.dispose();
      });
    }
    await sync();
    expect(memory().live).toBe(before.live);
  });
});

describeOnCuda('errors under graphs', () => {
  test('an input that failed rejects that run and no other', () =>
    scope(async () => {
      const program = capture((x: Tensor) => x.mul(2).add(1));
      const bad = (await on('cpu', () => ops.gather(tensor([[1]]), tensor([7], [1], 'i32')))).reshape([1]);
      await on('cpu', sync).catch(() => {});
      for (let i = 0; i < 3; i++) {
        expect(await program.run([tensor([i])]).item()).toBe(2 * i + 1);
        await expect(program.run([bad.to('cuda')]).data()).rejects.toThrow(failing('ERR_INDEX'));
        await sync().catch(() => {});
      }
      expect(program.size.graphs).toBe(1);
      expect(await program.run([tensor([5])]).item()).toBe(11);
      program.dispose();
    }));

  test('an index out of range inside is reported by the next read, and later runs are right', () =>
    scope(async () => {
      const table = tensor([[1], [2]]);
      const program = capture((i: Tensor) => ops.gather(table, i).mul(2));
      const run = (k: number) => program.run([tensor([k], [1], 'i32')]);
      for (let i = 0; i < 3; i++) {
        expect(await run(1).array()).toEqual([[4]]);
        await expect(run(9).data()).rejects.toThrow(failing('ERR_INDEX'));
        expect(await run(0).array()).toEqual([[2]]);
      }
      program.dispose();
    }));

  test('a program stays on its device', () =>
    scope(async () => {
      const program = capture((x: Tensor) => x.add(1));
      program.run([zeros([2])]);
      const here = await on('cpu', () => zeros([2]));
      expect(() => program.run([here])).toThrow(failing('ERR_DEVICE'));
      const nested = capture((x: Tensor) => {
        device('cpu');
        return x;
      });
      expect(() => nested.run([zeros([2])])).toThrow(failing('ERR_CAPTURE'));
      expect(device()).toBe('cuda');
      program.dispose();
    }));
});

describeOnCuda('a run that moves between devices', () => {
  beforeAll(() => setConvPrecision('accurate'));
  const models = ['gan', 'dcgan'] as const;

  test.each(models)('%s: three steps on the CPU, three on CUDA, three on the CPU', async (model) => {
    const out = join(folder, model);
    const go = async (steps: number, name: 'cpu' | 'cuda', into = out, first = steps === 3) => {
      const config = first ? { ...tinyConfig[model], steps, device: name } : { steps, device: name };
      const where = first ? { out: into } : { resume: into };
      await trainRun({ model, data: tinyData(), ...where, config });
      device('cuda');
    };
    await go(3, 'cpu');
    await go(6, 'cuda');
    await go(9, 'cpu');
    const alone = join(folder, `${model}-cpu`);
    await go(9, 'cpu', alone, true);

    const weights = async (run: string, step: number) => (await RunDirectory.open(run)).loadCheckpoint(step);
    const [moved, stayed] = [await weights(out, 9), await weights(alone, 9)];
    expect([...moved.weights.keys()]).toEqual([...stayed.weights.keys()]);
    // The same numbers but for rounding, which Adam may turn into a step either way where a gradient is next to nothing.
    for (const [name, { data }] of moved.weights) {
      const want = stayed.weights.get(name)!.data;
      const far = Array.from(data, (v, i) => Math.abs(v - want[i])).filter((d) => d > 1e-4).length;
      expect(far, name).toBeLessThanOrEqual(Math.ceil(0.02 * data.length));
    }
  });

  test.each(models)('%s: a checkpoint that only passes through CUDA keeps every bit', async (model) => {
    const out = join(folder, `${model}-through`);
    const config = { ...tinyConfig[model], steps: 2 };
    await trainRun({ model, data: tinyData(), out, config: { ...config, device: 'cpu' } });
    const { weights } = await (await RunDirectory.open(out)).loadCheckpoint(2);
    device('cuda');
    for (const [name, { data, shape, dtype }] of weights) {
      await scope(async () => {
        const there = (await on('cpu', () => tensor(data, shape, dtype))).to('cuda');
        expect(await there.to('cpu').data(), name).toEqual(data);
      });
    }
    const images: Uint8Array[] = [];
    for (const name of ['cpu', 'cuda', 'cpu'] as const) {
      const generator = await loadGenerator(out, { device: name });
      images.push(await generator.generate(await generator.latents(6, 1), 6));
      generator.dispose();
    }
    device('cuda');
    expect(images[2]).toEqual(images[0]);
    const worst = Math.max(...images[1].map((v, i) => Math.abs(v - images[0][i])));
    expect(worst).toBeLessThanOrEqual(1); // a pixel between two values may be rounded to either
  });
});
