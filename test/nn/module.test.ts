// How modules find, name, save and load their tensors.

import { describe, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { Linear } from '../../src/nn/linear.js';
import { buffer, Module, parameter } from '../../src/nn/module.js';
import { BatchNorm1d } from '../../src/nn/norm.js';
import { Sequential } from '../../src/nn/sequential.js';
import { tensor, zeros } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());

class Residual extends Module {
  readonly blocks = [new Linear(2, 3), new Linear(3, 2, { bias: false })];
  readonly head = new Sequential(new Linear(2, 2), new BatchNorm1d(2));
  readonly scale = parameter(tensor(Float32Array.of(2), [1]));
  readonly offset = buffer(tensor(Float32Array.of(1), [1]));
  readonly scratch = zeros([4]);
  readonly parent: Module = this;

  forward(x: Tensor): Tensor {
    return this.head.forward(this.blocks.reduce((y, block) => block.forward(y), x));
  }
}

describe('Module', () => {
  test('finds parameters and buffers by property, in lists and inside Sequential', () => {
    const net = new Residual();
    expect(Object.keys(net.stateDict()).sort()).toEqual(
      [
        'blocks.0.bias',
        'blocks.0.weight',
        'blocks.1.weight',
        'head.0.bias',
        'head.0.weight',
        'head.1.bias',
        'head.1.runningMean',
        'head.1.runningVar',
        'head.1.weight',
        'offset',
        'scale',
      ].sort(),
    );
    expect(net.parameters()).toHaveLength(8);
    expect(net.namedBuffers().map(([name]) => name)).toEqual([
      'offset',
      'head.1.runningMean',
      'head.1.runningVar',
    ]);
  });

  test('lists a shared module once among the parameters and under both names in the state', () => {
    const shared = new Linear(2, 2);
    const net = new Sequential(shared, shared);
    expect(net.parameters()).toHaveLength(2);
    expect(Object.keys(net.stateDict())).toEqual(['0.weight', '0.bias', '1.weight', '1.bias']);
  });

  test('train and eval reach every module inside', () => {
    const net = new Residual();
    net.eval();
    expect(net.modules().map((module) => module.training)).toEqual(net.modules().map(() => false));
    net.train();
    expect(net.modules().every((module) => module.training)).toBe(true);
  });

  test('parameters outlive the scope they were made in, and dispose frees them', () => {
    const before = memory().tensors;
    const net = scope(() => new Sequential(new Linear(3, 4), new BatchNorm1d(4)));
    expect(memory().tensors).toBe(before + 6);
    net.dispose();
    expect(memory().tensors).toBe(before);
  });

  test('loads a state dict and keeps its own tensors', async () => {
    const [a, b] = [new Linear(2, 2), new Linear(2, 2)];
    const { weight } = b;
    b.loadStateDict(a.stateDict());
    expect(b.weight).toBe(weight);
    expect(await values(b.weight)).toEqual(await values(a.weight));
    expect(await values(b.bias!)).toEqual(await values(a.bias!));
  });

  test('refuses a state dict that does not fit, names everything wrong with it, and loads nothing', async () => {
    const net = new Sequential(new Linear(2, 2), new Linear(2, 1));
    const before = await values(net.stateDict()['0.weight']);
    const state = {
      '0.weight': tensor(Float32Array.of(9, 9, 9, 9), [2, 2]),
      '0.bais': zeros([2]),
      '1.weight': zeros([2, 2]),
      '1.bias': zeros([1], 'i32'),
    };
    expect(() => net.loadStateDict(state)).toThrow(code('ERR_CHECKPOINT'));
    expect(() => net.loadStateDict(state)).toThrow(/missing "0.bias" \[2\]/);
    expect(() => net.loadStateDict(state)).toThrow(/unexpected "0.bais"; did you mean "0.bias"\?/);
    expect(() => net.loadStateDict(state)).toThrow(/"1.weight" has shape \[2,2\], expected \[1,2\]/);
    expect(() => net.loadStateDict(state)).toThrow(/"1.bias" is i32, expected f32/);
    expect(await values(net.stateDict()['0.weight'])).toEqual(before);
  });

  test('Sequential refuses what is not a module', () => {
    expect(() => new Sequential('relu' as never)).toThrow(code('ERR_ARGUMENT'));
  });
});
