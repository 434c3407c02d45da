// Memory of a CUDA device: what is reported, the limit, the cache, and that running out of it, by the limit or for real,
// is an error of the command that asked and of nothing else.

import { afterEach, expect, test } from 'vitest';
import { device, memory, resetPeakMemory, setMemoryLimit, sync } from '../../src/device.js';
import { addon } from '../../src/native.js';
import { Linear } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import * as ops from '../../src/tensor/ops/index.js';
import { capture } from '../../src/tensor/program.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { describeOnCuda, deviceMemory, emulated, on } from './on-cuda.js';

const MiB = 2 ** 20;
const tooLittle = expect.objectContaining({
  code: 'ERR_OUT_OF_MEMORY',
  message: expect.stringMatching(/out of memory on the cuda: asked for \d+ bytes with \d+ bytes in use/i),
});

describeOnCuda('memory()', () => {
  test('is the selected device’s own, and its limit the size of the device', async () => {
    await sync();
    expect(memory().limit).toBe(deviceMemory);
    const before = memory();
    const cpu = await on('cpu', memory);
    const t = ops.zeros([1024, 256]);
    await sync();
    expect(memory().live - before.live).toBeGreaterThanOrEqual(MiB);
    expect((await on('cpu', memory)).live).toBe(cpu.live);
    t.dispose();
    await sync();
    expect(memory().live).toBe(before.live);
    expect(memory().cached).toBeGreaterThanOrEqual(MiB);
    addon().clearMemoryCache();
    expect(memory().cached).toBe(0);
  });

  test('a peak goes back when it is measured anew', async () => {
    await sync();
    resetPeakMemory();
    const { live } = memory();
    await scope(async () => {
      await ops
        .ones([4 * MiB])
        .sum()
        .item();
    });
    await sync();
    expect(memory().peak).toBeGreaterThanOrEqual(live + 16 * MiB);
    expect(memory().live).toBe(live);
    resetPeakMemory();
    expect(memory().peak).toBe(live);
  });

  test('stays flat over many training steps', async () => {
    const net = new Linear(64, 64);
    const sgd = new SGD(net, { lr: 1e-3, momentum: 0.9 });
    const step = () =>
      scope(() => {
        const { grads } = valueAndGrad(
          () =>
            net
              .forward(ops.randn([32, 64]))
              .square()
              .mean(),
          net.parameters(),
        );
        sgd.step(grads);
      });
    for (let i = 0; i < 5; i++) step();
    await sync();
    const { live, cached, tensors } = memory();
    for (let i = 0; i < 100; i++) step();
    await sync();
    expect(memory()).toMatchObject({ live, tensors });
    // Steps that overlap may need a few blocks more than five did.
    expect(memory().cached).toBeLessThanOrEqual(2 * cached + MiB);
    sgd.dispose();
    for (const t of net.parameters()) t.dispose();
  });
});

describeOnCuda('out of memory', () => {
  afterEach(async () => {
    delete process.env.GANVAS_EMULATED_MEMORY;
    setMemoryLimit(deviceMemory);
    await sync().catch(() => {});
  });

  test('by the limit: the command fails, the process goes on', async () => {
    await sync();
    const before = memory();
    setMemoryLimit(before.live + MiB);
    await scope(async () => {
      const big = ops.zeros([MiB]);
      const after = big.add(1);
      await expect(big.data()).rejects.toThrow(tooLittle);
      await expect(after.data()).rejects.toThrow(tooLittle);
      expect(await ops.full([8], 2).sum().item()).toBe(16);
      await expect(on('cpu', () => ops.zeros([MiB]).sum().item())).resolves.toBe(0);
    });
    setMemoryLimit(deviceMemory);
    expect(await scope(() => ops.ones([MiB]).sum().item())).toBe(MiB);
    await sync();
    expect(memory().live).toBe(before.live);
  });

  /** Takes quarters of the device's memory until a command fails. */
  async function fill(): Promise<{ kept: Tensor[]; error: unknown }> {
    const bytes = emulated ? Number(process.env.GANVAS_EMULATED_MEMORY) : deviceMemory;
    const kept: Tensor[] = [];
    for (let i = 0; i < 6; i++) {
      const t = ops.zeros([Math.floor(bytes / 16)]);
      const [value, error] = await ops
        .slice(t, [0], [1])
        .item()
        .then(
          (v) => [v, undefined],
          (e) => [undefined, e],
        );
      kept.push(t);
      if (error) return { kept, error };
      expect(value).toBe(0);
    }
    throw new Error('six quarters of the memory were given out');
  }

  test('of the device itself: the cache is freed first, then the command fails, and work goes on', async () => {
    await sync();
    addon().clearMemoryCache();
    if (emulated) process.env.GANVAS_EMULATED_MEMORY = String(memory().live + 64 * MiB);
    setMemoryLimit(Number.POSITIVE_INFINITY); // else the limit, and not the device, says no
    for (const _ of [1, 2]) {
      const { kept, error } = await fill();
      expect(error).toEqual(tooLittle);
      expect(kept.length).toBeGreaterThanOrEqual(3);
      kept[0].dispose();
      expect(await scope(() => ops.ones([1000]).sum().item())).toBe(1000);
      for (const t of kept) t.dispose();
      await sync();
      // What is cached now is of other sizes than what is asked for next: it must make room.
      expect(memory().cached).toBeGreaterThan(0);
      const other = Math.floor((emulated ? 64 * MiB : deviceMemory) / 40);
      expect(await scope(() => ops.ones([other]).mean().item())).toBeCloseTo(1, 3);
    }
  });

  test('in a program, while its graph is being made too: that run fails, the next one works', async () => {
    await scope(async () => {
      const program = capture((x: Tensor) => {
        const wide = ops.broadcastTo(x, [1024, 1024]);
        return wide.matmul(x.reshape([1024, 1])).sum();
      });
      const x = ops.ones([1024]);
      await sync();
      addon().clearMemoryCache();
      for (const run of [1, 2, 3]) {
        setMemoryLimit(memory().live + MiB / 2);
        if (run === 1) await expect(program.run([x]).data()).rejects.toThrow(tooLittle);
        setMemoryLimit(deviceMemory);
        expect(await program.run([x]).item()).toBe(1024 * 1024);
      }
      program.dispose();
    });
    await sync();
  });

  test('when a training step runs out of it, the weights stay as they were', async () => {
    await scope(async () => {
      const net = new Linear(16, 16);
      const sgd = new SGD(net, { lr: 0.1 });
      const before = await net.weight.data();
      const step = (rows: number) => {
        const { value, grads } = valueAndGrad(
          () =>
            net
              .forward(ops.ones([rows, 16]))
              .square()
              .mean(),
          net.parameters(),
        );
        sgd.step(grads);
        return value;
      };
      await sync();
      addon().clearMemoryCache();
      setMemoryLimit(memory().live + MiB);
      await expect(step(MiB).data()).rejects.toThrow(tooLittle);
      setMemoryLimit(deviceMemory);
      await sync().catch(() => {});
      expect(device()).toBe('cuda');
      expect(await net.weight.data()).toEqual(before);
      sgd.dispose();
      for (const t of net.parameters()) t.dispose();
    });
  });
});
