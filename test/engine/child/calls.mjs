// One valid call of the ops that random arguments never hit, for the fuzzer to bend: shapes of the inputs and attributes.
// All inputs are f32 unless an i32 is asked for with { int: shape }. What indices address is at least 3 long.

const p = [2, 3, 5];
const x = [2, 5, 4, 6];
const w = [4, 3, 2, 3];
const y = [2, 5, 3, 4];
// strides, pads, dilations, groups: with two groups of three channels
const geometry = [1, 1, 1, 1, 0, 0, 1, 1, 2, 0];
const c = [6];
// a key and a counter
const draw = [1, 2, 3, 4];
const volume = [2, 3, 4, 5, 6];
const kernel = [4, 2, 3, 2, 3];
// per axis stride, pads, dilation; then two groups of three channels, not the most accurate way
const space = [1, 1, 0, 1, 1, 1, 1, 1, 2, 0, 1, 1, 2, 0];
const response = [2, 3, 4, 3, 4];
// batch 2, 3 steps, 4 hidden
const gates = [2, 3, 16];
const state = [2, 4];

export const calls = {
  slice: { inputs: [x], attrs: [4, 0, 1, 2, 0, 2, 2, 2, 3, 1, 2, -1, 2] },
  concat: { inputs: [x, x, x], attrs: [1] },
  pad: { inputs: [x], attrs: [0.5, 0, 1, 2, 0, 1, 1, 0, 3] },
  transpose: { inputs: [x], attrs: [3, 1, 0, 2] },
  broadcastTo: { inputs: [[5, 1, 6]], attrs: [2, 5, 4, 6] },
  gather: { inputs: [x, { int: [2, 2] }], attrs: [1] },
  scatterAdd: { inputs: [{ int: [5] }, x], attrs: [1, 4] },
  takeAlongAxis: { inputs: [x, { int: [2, 5, 7, 6] }], attrs: [2] },
  scatterAlongAxis: { inputs: [x, { int: [2, 5, 2, 6] }, [2, 5, 2, 6]], attrs: [2] },
  scatterAddAlongAxis: { inputs: [{ int: [2, 5, 2] }, [2, 5, 2]], attrs: [2, 3, 2, 5, 4] },
  sort: { inputs: [x], attrs: [1, 3] },
  cumsum: { inputs: [x], attrs: [2, 1] },
  recurrence: { inputs: [x, x], attrs: [1, 0] },
  gelu: { inputs: [x], attrs: [1] },
  geluGrad: { inputs: [x, x], attrs: [0] },
  elu: { inputs: [x], attrs: [1.5, 1, 0.5] },
  eluGrad: { inputs: [x, x], attrs: [1.5, 1, 0.5] },
  prelu: { inputs: [x, c], attrs: [] },
  preluGrad: { inputs: [x, x, [1]], attrs: [] },
  glu: { inputs: [x], attrs: [3] },
  gluGrad: { inputs: [[2, 5, 2, 6], x], attrs: [2] },
  eigh: { inputs: [[3, 5, 5]], attrs: [] },
  sqrtm: { inputs: [[2, 4, 4]], attrs: [] },
  covariance: { inputs: [[7, 5]], attrs: [1] },
  moments: { inputs: [[7, 5]], attrs: [] },
  traceSqrtProduct: { inputs: [{ int: [4, 4, 2] }, { int: [4, 4, 2] }], attrs: [] },
  attention: {
    inputs: [
      [2, 3, 5, 4],
      [2, 3, 7, 4],
      [2, 3, 7, 6],
      [3, 1, 7],
    ],
    attrs: [0.5, 1],
  },
  attentionGrad: {
    inputs: [
      [2, 5, 6],
      [2, 5, 4],
      [2, 7, 4],
      [2, 7, 6],
      [2, 5, 6],
      [2, 5],
    ],
    attrs: [0.5, 0],
  },
  gru: { inputs: [[2, 3, 12], state, [12, 4], [12]], attrs: [] },
  gruGrad: { inputs: [[2, 3, 4], gates, [2, 3, 4], state, [12, 4]], attrs: [] },
  lstm: { inputs: [gates, state, state, [16, 4]], attrs: [] },
  lstmGrad: { inputs: [[2, 3, 8], gates, [2, 3, 8], state, state, [16, 4]], attrs: [] },
  sum: { inputs: [x], attrs: [1, 2, 0, 2] },
  max: { inputs: [x], attrs: [0, 3, 0, 1, 3] },
  argmax: { inputs: [x], attrs: [0, 2] },
  matmul: {
    inputs: [
      [2, 1, 7, 3],
      [4, 5, 3],
    ],
    attrs: [0, 1, 0],
  },
  matmulAct: { inputs: [[5, 3], [4, 3], [4]], attrs: [0, 1, 0, 2, 0.2, 1.5, Infinity] },
  conv2d: { inputs: [x, w], attrs: geometry },
  convInputGrad: { inputs: [y, w], attrs: [...geometry, 5, 4] },
  conv2dAct: { inputs: [x, w, [4]], attrs: [...geometry, 0, 0, 1, 0, 1, 2] },
  convInputGradAct: { inputs: [y, w, c], attrs: [...geometry, 5, 4, 3, 0, 1, 2] },
  convWeightGrad: { inputs: [x, y], attrs: [...geometry, 3, 2] },
  conv3d: { inputs: [volume, kernel], attrs: space },
  conv3dInputGrad: { inputs: [response, kernel], attrs: [...space, 3, 4, 5] },
  conv3dWeightGrad: { inputs: [volume, response], attrs: [...space, 2, 3, 2] },
  channelNorm: { inputs: [x, c, c], attrs: [2, 1e-5, 2, 0.2, 3, 0] },
  channelNormGrad: { inputs: [x, x, [2, 6], [2, 6], [1, 6], [1, 6]], attrs: [2, 1e-5, 2, 0.2, 2, 1] },
  rowNorm: { inputs: [x, [4, 6], [4, 6]], attrs: [2, 1e-5, 3, 0] },
  rowNormGrad: { inputs: [x, x, c, c, [40], [40]], attrs: [1, 1e-5, 1, 0] },
  affineAct: { inputs: [x, c, c], attrs: [4, 0] },
  biasAct: { inputs: [x, c], attrs: [1, 0, 1, 2] },
  biasActGrad: { inputs: [x, x], attrs: [2, 0.1, 1, Infinity] },
  pixelNorm: { inputs: [x], attrs: [1e-8] },
  pixelNormGrad: { inputs: [x, x, [2, 5, 4]], attrs: [] },
  scaleAct: { inputs: [x, [2, 6], [1, 5, 4], c], attrs: [2, 0.2, 1.5, 2, 1, 1] },
  scaleActGrad: { inputs: [x, x, [2, 6], [2, 5, 4], c], attrs: [2, 0.2, 1.5, 2, 1, 1] },
  powerIteration: { inputs: [w, [4], [18], x, c, [40]], attrs: [2, 1e-12, 0, 1] },
  spectralNorm: { inputs: [w, [4], [18]], attrs: [] },
  spectralNormGrad: { inputs: [w, w, [1], [4], [18]], attrs: [] },
  minibatchSimilarity: { inputs: [p], attrs: [] },
  minibatchSimilarityGrad: { inputs: [[2, 3], p], attrs: [] },
  minibatchSimilarityGradGrad: { inputs: [p, [2, 3], p], attrs: [] },
  softmaxGrad: { inputs: [x, x], attrs: [2] },
  where: { inputs: [x, c, [4, 1]], attrs: [] },
  resample: { inputs: [x], attrs: [0, 1, 2, 4, 5, 6, 6, 2, 1, -3, 1, 2, 1, 0, 4, 7, 4, 3, 0, 1, 0] },
  maxPool: { inputs: [x], attrs: [3, 2, 1, 1, 3, 0, 2, 2, 0, 1, 2, 1] },
  gridSample: { inputs: [x, [2, 3, 3, 2]], attrs: [0, 2, 0] },
  gridInputGrad: {
    inputs: [
      [2, 3, 3, 6],
      [2, 3, 3, 2],
    ],
    attrs: [0, 2, 1, 5, 4],
  },
  gridPlaceGrad: { inputs: [[2, 3, 3, 6], x, [2, 3, 3, 2]], attrs: [0, 1, 0] },
  upfirdn: { inputs: [x, [3, 2]], attrs: [2, 1, 1, 2, 2, -1, 8, 2] },
  bernoulli: { inputs: [], attrs: [...draw, 0.3, 2, 2, 3, 7] },
  gumbel: { inputs: [], attrs: [...draw, 0, 1, 1, 9] },
  randint: { inputs: [], attrs: [...draw, -3, 4, 1, 19] },
  randperm: { inputs: [], attrs: [...draw, 17] },
  truncatedNormal: { inputs: [], attrs: [...draw, 0, 1, -2, 2, 2, 3, 5] },
  multinomial: { inputs: [[3, 7]], attrs: [...draw, 4, 1, 1] },
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
