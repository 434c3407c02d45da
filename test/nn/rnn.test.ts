// Recurrent and attention layers: shapes, names, cells against layers, errors. Numbers: reference/attention.test.ts.

import { expect, test } from 'vitest';
import { nn } from '../../src/index.js';
import { randn, zeros } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';

const shapeError = expect.objectContaining({ code: 'ERR_SHAPE' });
const argumentError = expect.objectContaining({ code: 'ERR_ARGUMENT' });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

scoped('a GRU does what its cell does, step after step', async () => {
  const gru = new nn.GRU(3, 4);
  const x = randn([2, 5, 3]);
  const [output, last] = gru.forward(x);
  expect([output.shape, last.shape]).toEqual([
    [2, 5, 4],
    [1, 2, 4],
  ]);
  let h = zeros([2, 4]);
  for (let t = 0; t < 5; t++) h = gru.cells[0].forward(x.slice([0, t, 0], [-1, 1, -1]).reshape([2, 3]), h);
  const want = await h.data();
  (await last.data()).forEach((v, i) => {
    expect(v).toBeCloseTo(want[i], 5);
  });
  gru.dispose();
});

scoped('an LSTM does what its cell does, step after step', async () => {
  const lstm = new nn.LSTM(3, 4, { bias: false });
  const x = randn([2, 3, 3]);
  const [, [, last]] = lstm.forward(x);
  let [h, c] = [zeros([2, 4]), zeros([2, 4])];
  for (let t = 0; t < 3; t++)
    [h, c] = lstm.cells[0].forward(x.slice([0, t, 0], [-1, 1, -1]).reshape([2, 3]), h, c);
  const want = await c.data();
  (await last.data()).forEach((v, i) => {
    expect(v).toBeCloseTo(want[i], 5);
  });
  lstm.dispose();
});

scoped(
  'recurrent layers name their weights, drop between layers in training only, and refuse bad shapes',
  async () => {
    const gru = new nn.GRU(2, 3, { numLayers: 2, dropout: 0.5 });
    expect(Object.keys(gru.stateDict())).toContain('cells.1.weightHh');
    const x = randn([1, 2, 2]);
    gru.eval();
    expect(await gru.forward(x)[0].data()).toEqual(await gru.forward(x)[0].data());
    expect(() => gru.forward(zeros([1, 2, 3]))).toThrow(shapeError);
    expect(() => gru.forward(zeros([1, 0, 2]))).toThrow(shapeError);
    expect(() => gru.forward(x, zeros([1, 1, 3]))).toThrow(shapeError);
    expect(() => new nn.GRUCell(2, 3).forward(zeros([2, 3]))).toThrow(shapeError);
    expect(() => new nn.LSTM(0, 3)).toThrow(argumentError);
    expect(() => new nn.LSTM(2, 3, { dropout: -1 })).toThrow(argumentError);
    gru.dispose();
  },
);

scoped('self-attention begins as the identity; layers refuse what they cannot take', async () => {
  const layer = new nn.SelfAttention2d(8);
  const x = randn([2, 4, 4, 8]);
  expect(await layer.forward(x).data()).toEqual(await x.data());
  expect(layer.value.weight.shape).toEqual([4, 1, 1, 8]);
  expect(() => layer.forward(zeros([2, 4, 8]))).toThrow(shapeError);
  expect(() => new nn.SelfAttention2d(0)).toThrow(argumentError);
  expect(() => new nn.MultiHeadAttention(6, 4)).toThrow(argumentError);
  const heads = new nn.MultiHeadAttention(6, 2, { keySize: 3, valueSize: 5, bias: false });
  expect(heads.forward(zeros([1, 2, 6]), zeros([1, 7, 3]), zeros([1, 7, 5])).shape).toEqual([1, 2, 6]);
  expect(() => heads.forward(zeros([2, 6]))).toThrow(shapeError);
  layer.dispose();
  heads.dispose();
});
