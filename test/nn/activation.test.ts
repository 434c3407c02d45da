// Activation layers give what their functions give; PReLU learns its slopes; dropout drops elements or whole channels.

import { describe, expect, test } from 'vitest';
import * as nn from '../../src/nn/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import * as ops from '../../src/tensor/ops/index.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());

describe('activation layers', () => {
  const layers: [string, { forward(x: Tensor): Tensor }, (x: Tensor) => Tensor][] = [
    ['GELU', new nn.GELU(), (x) => ops.gelu(x)],
    ['GELU by tanh', new nn.GELU({ approximate: 'tanh' }), (x) => ops.gelu(x, { approximate: 'tanh' })],
    ['SiLU', new nn.SiLU(), ops.silu],
    ['ELU', new nn.ELU(0.7), (x) => ops.elu(x, 0.7)],
    ['SELU', new nn.SELU(), ops.selu],
    ['CELU', new nn.CELU(0.7), (x) => ops.celu(x, 0.7)],
    ['Mish', new nn.Mish(), ops.mish],
    ['LogSigmoid', new nn.LogSigmoid(), ops.logSigmoid],
    ['Hardtanh', new nn.Hardtanh(-0.5, 0.7), (x) => ops.clamp(x, -0.5, 0.7)],
    ['GLU', new nn.GLU(0), (x) => ops.glu(x, 0)],
  ];
  for (const [name, layer, f] of layers) {
    scoped(name, async () => {
      const x = ops.randn([4, 5], { generator: new Generator(1) });
      expect(await values(layer.forward(x))).toEqual(await values(f(x)));
    });
  }

  scoped('PReLU starts at 0.25 and its slopes have gradients', async () => {
    const layer = new nn.PReLU(2);
    expect(Object.keys(layer.stateDict())).toEqual(['weight']);
    const x = ops.tensor(Float32Array.of(-1, 2, -3, -4), [2, 2]);
    expect(await values(layer.forward(x))).toEqual([-0.25, 2, -0.75, -1]);
    const { grads } = valueAndGrad(() => ops.sum(layer.forward(x)), [layer.weight]);
    expect(await values(grads[0])).toEqual([-4, -4]);
    expect(() => new nn.PReLU(0)).toThrow(code('ERR_ARGUMENT'));
  });
});

describe('Dropout2d', () => {
  scoped('drops whole channels of a sample and scales the others', async () => {
    const layer = new nn.Dropout2d(0.5, { generator: new Generator(3) });
    const y = layer.forward(ops.ones([8, 3, 5, 16]));
    const pixels = await values(ops.transpose(y, [0, 3, 1, 2]).reshape([8 * 16, 15]));
    const channels = Array.from({ length: 128 }, (_, i) => new Set(pixels.slice(15 * i, 15 * i + 15)));
    for (const c of channels) expect(c.size).toBe(1);
    const dropped = channels.filter((c) => c.has(0)).length;
    expect(dropped).toBeGreaterThan(40);
    expect(dropped).toBeLessThan(88);
    expect(channels.filter((c) => c.has(2)).length).toBe(128 - dropped);
    expect(layer.eval().forward(y)).toBe(y);
    expect(() => layer.train().forward(ops.ones([3]))).toThrow(code('ERR_SHAPE'));
  });

  scoped('keeps bf16 and the mean', async () => {
    const layer = new nn.Dropout(0.3, { generator: new Generator(4) });
    const y = layer.forward(ops.ones([20_000]).cast('bf16'));
    expect(y.dtype).toBe('bf16');
    expect(await ops.mean(y.cast('f32')).item()).toBeCloseTo(1, 1);
  });
});
