// References of the recurrences, one scalar at a time from the formulas of native/ops/rnn.h.

import { make, type Nd, type References } from '../nd.js';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Row `row` of w times the vector. */
function dot(w: Nd, row: number, vector: number[]): number {
  return vector.reduce((total, v, j) => total + w.data[row * vector.length + j] * v, 0);
}

/** Calls step(n, at, h) for every sample and step in order; it returns the next state of the sample. */
function recur(gi: Nd, first: (n: number) => number[], step: (at: number, state: number[]) => number[]): Nd {
  const [batch, steps] = gi.shape;
  const width = first(0).length;
  const y = make([batch, steps, width]);
  for (let n = 0; n < batch; n++) {
    let state = first(n);
    for (let t = 0; t < steps; t++) {
      state = step((n * steps + t) * gi.shape[2], state);
      y.data.set(state, (n * steps + t) * width);
    }
  }
  return y;
}

const rowOf = (x: Nd, n: number): number[] =>
  Array.from({ length: x.shape[1] }, (_, j) => x.data[n * x.shape[1] + j]);

export const references: References = {
  gru: ([gi, h0, w, b]: Nd[]) => {
    const size = h0.shape[1];
    return recur(
      gi,
      (n) => rowOf(h0, n),
      (at, h) =>
        h.map((before, j) => {
          const x = (gate: number) => gi.data[at + gate * size + j];
          const u = (gate: number) => dot(w, gate * size + j, h) + b.data[gate * size + j];
          const z = sigmoid(x(1) + u(1));
          return (1 - z) * Math.tanh(x(2) + sigmoid(x(0) + u(0)) * u(2)) + z * before;
        }),
    );
  },

  lstm: ([gi, h0, c0, w]: Nd[]) => {
    const size = h0.shape[1];
    return recur(
      gi,
      (n) => [...rowOf(h0, n), ...rowOf(c0, n)],
      (at, state) => {
        const h = state.slice(0, size);
        const sum = (gate: number, j: number) => gi.data[at + gate * size + j] + dot(w, gate * size + j, h);
        const c = state
          .slice(size)
          .map((before, j) => sigmoid(sum(1, j)) * before + sigmoid(sum(0, j)) * Math.tanh(sum(2, j)));
        return [...c.map((v, j) => sigmoid(sum(3, j)) * Math.tanh(v)), ...c];
      },
    );
  },
};
