// One valid call of the ops that random arguments never hit, for the fuzzer to bend: shapes of the inputs and attributes.
// All inputs are f32 unless an i32 is asked for with { int: shape }.

const p = [2, 3, 5];
const x = [2, 5, 4, 6];
const w = [4, 3, 2, 3];
const y = [2, 5, 3, 4];
// strides, pads, dilations, groups: with two groups of three channels
const geometry = [1, 1, 1, 1, 0, 0, 1, 1, 2, 0];
const c = [6];

export const calls = {
  slice: { inputs: [x], attrs: [4, 0, 1, 2, 0, 2, 2, 2, 3, 1, 2, -1, 2] },
  concat: { inputs: [x, x, x], attrs: [1] },
  pad: { inputs: [x], attrs: [0.5, 0, 1, 2, 0, 1, 1, 0, 3] },
  transpose: { inputs: [x], attrs: [3, 1, 0, 2] },
  broadcastTo: { inputs: [[5, 1, 6]], attrs: [2, 5, 4, 6] },
  gather: { inputs: [x, { int: [2, 2] }], attrs: [1] },
  scatterAdd: { inputs: [{ int: [5] }, x], attrs: [1, 4] },
  sum: { inputs: [x], attrs: [1, 2, 0, 2] },
  max: { inputs: [x], attrs: [0, 3, 0, 1, 3] },
  argmax: { inputs: [x], attrs: [0, 2] },
  matmul: {
    inputs: [
      [2, 1, 7, 3],
      [4, 5, 3],
    ],
    attrs: [0, 1],
  },
  conv2d: { inputs: [x, w], attrs: geometry },
  convInputGrad: { inputs: [y, w], attrs: [...geometry, 5, 4] },
  convWeightGrad: { inputs: [x, y], attrs: [...geometry, 3, 2] },
  channelNorm: { inputs: [x, c, c], attrs: [2, 1e-5, 2, 0.2] },
  channelNormGrad: { inputs: [x, x, c, c, [2, 6], [2, 6]], attrs: [2, 1e-5, 2, 0.2] },
  rowNorm: { inputs: [x, [4, 6], [4, 6]], attrs: [2, 1e-5, 3, 0] },
  rowNormGrad: { inputs: [x, x, c, c, [40], [40]], attrs: [1, 1e-5, 1, 0] },
  affineAct: { inputs: [x, c, c], attrs: [4, 0] },
  biasAct: { inputs: [x, c], attrs: [1, 0] },
  biasActGrad: { inputs: [x, x], attrs: [2, 0.1] },
  softmaxGrad: { inputs: [x, x], attrs: [2] },
  where: { inputs: [x, c, [4, 1]], attrs: [] },
  fill: { inputs: [], attrs: [0, 1.5, 2, 3, 5] },
  uniform: { inputs: [], attrs: [1, 2, 3, 4, 0, 1, 1, 20] },
  normal: { inputs: [], attrs: [1, 2, 3, 4, 0, 1, 2, 3, 5] },
  arange: { inputs: [], attrs: [0, 10, 1, 0] },
  assign: { inputs: [p, p], attrs: [] },
  lerp: { inputs: [p, p, c, c], attrs: [0.5] },
  clampInPlace: { inputs: [p, c], attrs: [-1, 1] },
  sgd: { inputs: [p, p, p, c, c, c], attrs: [0.1, 0.9, 0, 0.1, 1, 1] },
  adam: { inputs: [p, p, p, p, c, c, c, c], attrs: [1e-3, 0.5, 0.9, 1e-8, 0.1, 1, 3] },
  rmsprop: { inputs: [p, p, p, p, p], attrs: [1e-3, 0.9, 1e-8, 0.1, 0.5, 1] },
};
