// Tensors on a CUDA device and their ways in and out: copies of every dtype, work on both devices in order, mixing them,
// uploads beside running kernels, and what is left after an error. Ops are against-cpu.test.ts, programs programs.test.ts.

import { expect, test } from 'vitest';
import { memory, ready, sync } from '../../src/device.js';
import { Linear } from '../../src/nn/index.js';
import { Adam } from '../../src/optim/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import * as ops from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { DType, Tensor } from '../../src/tensor/tensor.js';
import { bits } from '../tensor/same-bits.js';
import { describeOnCuda, on } from './on-cuda.js';

const { tensor } = ops;
const failing = (code: string, message: RegExp = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

/** A tensor of whole numbers in [0, 250], which every dtype holds exactly. */
const counted = (shape: number[], dtype: DType): Tensor => {
  const n = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: n }, (_, i) => (i * 7) % 251);
  return ops.cast(tensor(values, shape), dtype);
};

describeOnCuda('copies between devices', () => {
  const shapes = [[], [1], [0], [3, 0, 5], [7], [2, 3, 5], [1, 2, 1, 2, 1, 2, 1, 2], [1025, 513]];
  for (const dtype of ['f32', 'i32', 'u8', 'bf16'] as const) {
    test.each(shapes.map((shape) => [shape]))(`${dtype} [%s] there and back`, (shape) =>
      scope(async () => {
        const here = await on('cpu', () => counted(shape, dtype));
        const there = here.to('cuda');
        const back = there.to('cpu');
        expect([here, there, back].map((t) => t.device)).toEqual(['cpu', 'cuda', 'cpu']);
        expect([there.shape, there.dtype]).toEqual([shape, dtype]);
        const want = await bits(here);
        for (const t of [there, back, counted(shape, dtype)]) expect((await bits(t)) === want).toBe(true);
      }),
    );
  }

  test('keep every bit: infinities, NaN with its payload, -0, the smallest numbers', () =>
    scope(async () => {
      const words = Uint32Array.of(0x7f800000, 0xff800000, 0x7fc12345, 0x80000000, 1, 0x007fffff, 0x7f7fffff);
      const there = (await on('cpu', () => tensor(new Float32Array(words.buffer)))).to('cuda').mul(1);
      const bits = new Uint32Array((await there.data()).buffer as ArrayBuffer);
      expect(Array.from(bits.subarray(0, 2))).toEqual([0x7f800000, 0xff800000]);
      expect(Number.isNaN(new Float32Array(bits.buffer)[2])).toBe(true);
      const copied = there.to('cpu').to('cuda').to('cpu');
      expect(new Uint32Array((await copied.data()).buffer as ArrayBuffer)).toEqual(bits);
      expect(Array.from(bits.subarray(3))).toEqual([0x80000000, 1, 0x007fffff, 0x7f7fffff]);
    }));

  test('a copy is a copy, and the tensor itself where it is already', () =>
    scope(async () => {
      const here = tensor([1, 2]);
      expect(here.to('cuda')).toBe(here);
      const copy = here.to('cpu');
      ops.assign([here], [tensor([5, 6])]);
      expect(await copy.array()).toEqual([1, 2]);
      const again = here.to('cpu');
      here.dispose(); // the copy has been enqueued
      expect(await again.array()).toEqual([5, 6]);
    }));

  test('follow the order of the work on both devices', () =>
    scope(async () => {
      let x = tensor([1, 1]);
      for (let i = 0; i < 20; i++) {
        x = x.mul(2).to('cpu');
        x = x.sub(1).to('cuda');
      }
      expect(await x.array()).toEqual([1, 1]);
      const a = ops.ones([64, 64]);
      let y = a;
      for (let i = 0; i < 8; i++) y = y.matmul(a).div(64);
      expect(await y.to('cpu').sum().item()).toBe(4096);
    }));

  test('an unknown device is refused', () => {
    scope(() => {
      expect(() => tensor([1]).to('gpu' as never)).toThrow(failing('ERR_DEVICE', /cpu, cuda, got gpu/));
    });
  });
});

describeOnCuda('tensors of both devices', () => {
  test('do not mix, and the error names both', () =>
    scope(async () => {
      const here = await on('cpu', () => tensor([1, 2]));
      const there = tensor([3, 4]);
      for (const mixed of [
        () => here.add(there),
        () => ops.matmul(here.reshape([1, 2]), there.reshape([2, 1])),
        () => ops.concat([here, there]),
        () => ops.where(there.greater(0), here, there),
      ]) {
        expect(mixed).toThrow(failing('ERR_DEVICE', /cpu.*cuda|cuda.*cpu/s));
      }
      expect(await here.to('cuda').add(there).array()).toEqual([4, 6]);
    }));

  test('a network is trained where its weights are, and refuses images from elsewhere', () =>
    scope(async () => {
      const net = new Linear(2, 1);
      expect(net.weight.device).toBe('cuda');
      const x = await on('cpu', () => tensor([[1, 2]]));
      expect(() => net.forward(x)).toThrow(failing('ERR_DEVICE'));
      const adam = new Adam(net, { lr: 0.1 });
      const losses: number[] = [];
      for (let i = 0; i < 30; i++) {
        const { value, grads } = valueAndGrad(
          () => net.forward(x.to('cuda')).sub(3).square().mean(),
          net.parameters(),
        );
        adam.step(grads);
        losses.push(await value.item());
      }
      expect(losses.at(-1)!).toBeLessThan(0.1 * losses[0]);
      for (const t of net.parameters()) t.dispose();
      adam.dispose();
    }));
});

describeOnCuda('uploads', () => {
  test('beside running kernels, from a buffer that is written again at once', () =>
    scope(async () => {
      const busy = ops.ones([64, 64]);
      const bytes = new Float32Array(1000);
      const sums: Tensor[] = [];
      for (let i = 0; i < 200; i++) {
        scope(() => {
          ops.matmul(busy, busy);
        });
        bytes.fill(i);
        sums.push(scope(() => tensor(bytes).sum()));
        bytes.fill(-1);
        if (i % 50 === 0) await ready();
      }
      expect(await Promise.all(sums.map((t) => t.item()))).toEqual(sums.map((_, i) => 1000 * i));
    }));

  test('of every length give back what they took', async () => {
    await sync();
    const before = memory();
    await scope(async () => {
      for (const n of [0, 1, 255, 256, 257, 4095, 65537, 2 ** 20]) {
        const values = Uint8Array.from({ length: n }, (_, i) => (i * 31) & 255);
        expect(await tensor(values, [n]).data()).toEqual(values);
      }
    });
    await sync();
    expect(memory()).toMatchObject({ tensors: before.tensors, live: before.live });
  });

  test('reads while the queue is full do not wait for later work only', () =>
    scope(async () => {
      const x = tensor([2]);
      const reads = Array.from({ length: 100 }, (_, i) => x.mul(i).item());
      expect(await Promise.all(reads)).toEqual(reads.map((_, i) => 2 * i));
    }));
});

describeOnCuda('after an error', () => {
  const table = () => tensor([[1], [2], [3]]);
  const index = (k: number) => tensor([k], [1], 'i32');

  test('an index out of range rejects that read and what depends on it, nothing else', () =>
    scope(async () => {
      const good = ops.gather(table(), index(2));
      expect(await good.array()).toEqual([[3]]);
      const bad = ops.gather(table(), index(7));
      await expect(bad.data()).rejects.toThrow(failing('ERR_INDEX', /gather.*7/s));
      expect(await good.add(1).array()).toEqual([[4]]);
      expect(await ops.gather(table(), index(0)).array()).toEqual([[1]]);
    }));

  test('sync() rejects once, and then all is well', () =>
    scope(async () => {
      ops.gather(table(), index(-9));
      await expect(sync()).rejects.toThrow(failing('ERR_INDEX'));
      await expect(sync()).resolves.toBeUndefined();
      expect(await tensor([1]).add(1).item()).toBe(2);
    }));

  test('a tensor that failed on the CPU fails on the device too', () =>
    scope(async () => {
      const bad = await on('cpu', () => ops.gather(table(), index(7)));
      await expect(bad.to('cuda').add(1).data()).rejects.toThrow(failing('ERR_INDEX', /gather/));
      await sync().catch(() => {});
    }));
});
