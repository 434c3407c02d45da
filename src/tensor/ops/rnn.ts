// The recurrences of GRU and LSTM over whole sequences, each one kernel with a gradient that is one kernel as well.
// Gradients of gradients go through the same formulas in single ops, step by step. The layers are in nn/rnn.ts.

import { apply, defineFused, native, type Sample } from '../define.js';
import { inFloat32 } from '../precision.js';
import type { Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { concat, split, stack } from './concat.js';
import { matmul } from './matmul.js';
import { reshape } from './shape.js';
import { sigmoid, tanh } from './unary.js';

/** The steps of a sequence [N, L, K], each [N, K]. */
const stepsOf = (x: Tensor): Tensor[] =>
  split(x, x.shape[1], 1).map((step) => reshape(step, [x.shape[0], x.shape[2]]));

/** [N, batch, steps, hidden] of the generated tests. */
const sampleSizes = [
  [1, 1, 1],
  [2, 3, 2],
  [3, 1, 5],
  [1, 4, 3],
  [0, 2, 3],
  [2, 3, 0],
  [2, 2, 17],
];

const gruOp = defineFused<void>({
  name: 'gru',
  run: (inputs) => native('gru', inputs),
  vjp: ({ inputs: [, h0, w], outputs: [h, gates] }, gy) => native('gruGrad', [gy, gates, h, h0, w]),
  saves: { inputs: [1, 2], outputs: [0, 1] },
  fallback: ([gi, h0, w, b]) => {
    let h = h0;
    const states = stepsOf(gi).map((x) => {
      const [xr, xz, xn] = split(x, 3, 1);
      const [hr, hz, hn] = split(add(matmul(h, w, { transB: true }), b), 3, 1);
      const z = sigmoid(add(xz, hz));
      const n = tanh(add(xn, mul(sigmoid(add(xr, hr)), hn)));
      h = add(n, mul(z, sub(h, n)));
      return h;
    });
    return stack(states, 1);
  },
  samples: () => {
    const of = (batch: number, steps: number, hidden: number): Sample<void> => ({
      inputs: [
        { shape: [batch, steps, 3 * hidden] },
        { shape: [batch, hidden] },
        { shape: [3 * hidden, hidden], lo: -0.5, hi: 0.5 },
        { shape: [3 * hidden] },
      ],
      attrs: undefined,
    });
    return [
      ...sampleSizes.map(([batch, steps, hidden]) => of(batch, steps, hidden)),
      { ...of(33, 3, 130), gradient: false },
    ];
  },
});

const lstmOp = defineFused<void>({
  name: 'lstm',
  run: (inputs) => native('lstm', inputs),
  vjp: ({ inputs: [, h0, c0, w], outputs: [state, gates] }, gy) =>
    native('lstmGrad', [gy, gates, state, h0, c0, w]),
  saves: { inputs: [1, 2, 3], outputs: [0, 1] },
  fallback: ([gi, h0, c0, w]) => {
    let [h, c] = [h0, c0];
    const states = stepsOf(gi).map((x) => {
      const [i, f, g, o] = split(add(x, matmul(h, w, { transB: true })), 4, 1);
      c = add(mul(sigmoid(f), c), mul(sigmoid(i), tanh(g)));
      h = mul(sigmoid(o), tanh(c));
      return concat([h, c], 1);
    });
    return stack(states, 1);
  },
  samples: () => {
    const of = (batch: number, steps: number, hidden: number): Sample<void> => ({
      inputs: [
        { shape: [batch, steps, 4 * hidden] },
        { shape: [batch, hidden] },
        { shape: [batch, hidden] },
        { shape: [4 * hidden, hidden], lo: -0.5, hi: 0.5 },
      ],
      attrs: undefined,
    });
    return [
      ...sampleSizes.map(([batch, steps, hidden]) => of(batch, steps, hidden)),
      { ...of(33, 3, 130), gradient: false },
    ];
  },
});

/**
 * @internal The states h [N, L, H] of a GRU from the inputs' share of the gates gi [N, L, 3H] (reset, update, new),
 * the first state h0 [N, H], the recurrent weight w [3H, H] and bias b [3H]. Formula: native/ops/rnn.h. Needs L ≥ 1 to
 * be differentiated twice. States are f32: what a bf16 one loses would add up over the steps.
 */
export function gruSequence(gi: Tensor, h0: Tensor, w: Tensor, b: Tensor): Tensor {
  return apply(gruOp, [gi, h0, w, b].map(inFloat32), undefined);
}

/**
 * @internal The states [N, L, 2H] (h, then c) of an LSTM from the inputs' share of the gates gi [N, L, 4H] (input,
 * forget, cell, output), the first states h0 and c0 [N, H] and the recurrent weight w [4H, H]. Formula:
 * native/ops/rnn.h. Needs L ≥ 1 to be differentiated twice.
 */
export function lstmSequence(gi: Tensor, h0: Tensor, c0: Tensor, w: Tensor): Tensor {
  return apply(lstmOp, [gi, h0, c0, w].map(inFloat32), undefined);
}
