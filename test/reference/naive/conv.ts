// References of the convolution triple from the definition, NHWC with weights [outC, kH, kW, inC / groups]:
// y[n, i, j, o] = sum x[n, i sH - pT + u dH, j sW - pL + v dW, c] w[o, u, v, c'], zeros outside x.
// The two gradients are the same loop with another one of the three arrays accumulated.

import { make, type Nd, type References } from '../nd.js';
import { type ActivationAttrs, activate } from './bias.js';

interface Geometry {
  strideH: number;
  strideW: number;
  padTop: number;
  padBottom: number;
  padLeft: number;
  padRight: number;
  dilationH: number;
  dilationW: number;
  groups: number;
}

type Term = (xAt: number, wAt: number, yAt: number) => void;

/** Calls `term` with flat positions for every product of the convolution's sum. */
function forEachTerm(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  g: Geometry,
  term: Term,
) {
  const [batch, height, width, inC] = x;
  const [outC, kernelH, kernelW, groupIn] = w;
  const [, outH, outW] = y;
  if (groupIn * g.groups !== inC) throw new Error(`${inC} channels in ${g.groups} groups of ${groupIn}`);
  const groupOut = outC / g.groups;
  for (let n = 0; n < batch; n++)
    for (let i = 0; i < outH; i++)
      for (let j = 0; j < outW; j++)
        for (let u = 0; u < kernelH; u++)
          for (let v = 0; v < kernelW; v++) {
            const row = i * g.strideH - g.padTop + u * g.dilationH;
            const column = j * g.strideW - g.padLeft + v * g.dilationW;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (let o = 0; o < outC; o++) {
              const firstChannel = Math.floor(o / groupOut) * groupIn;
              const xAt = ((n * height + row) * width + column) * inC + firstChannel;
              const wAt = ((o * kernelH + u) * kernelW + v) * groupIn;
              const yAt = ((n * outH + i) * outW + j) * outC + o;
              for (let c = 0; c < groupIn; c++) term(xAt + c, wAt + c, yAt);
            }
          }
}

function outputSize(
  size: number,
  kernel: number,
  stride: number,
  before: number,
  after: number,
  dilation: number,
) {
  return Math.floor((size + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
}

function conv2d([x, w]: Nd[], g: Geometry): Nd {
  const [batch, height, width] = x.shape;
  const [outC, kernelH, kernelW] = w.shape;
  const y = make([
    batch,
    outputSize(height, kernelH, g.strideH, g.padTop, g.padBottom, g.dilationH),
    outputSize(width, kernelW, g.strideW, g.padLeft, g.padRight, g.dilationW),
    outC,
  ]);
  forEachTerm(x.shape, w.shape, y.shape, g, (xAt, wAt, yAt) => {
    y.data[yAt] += x.data[xAt] * w.data[wAt];
  });
  return y;
}

/** The gradient of conv2d by its input, from the output's gradient: a transposed convolution. */
function convInputGrad([dy, w]: Nd[], g: Geometry & { height: number; width: number }): Nd {
  const dx = make([dy.shape[0], g.height, g.width, w.shape[3] * g.groups]);
  forEachTerm(dx.shape, w.shape, dy.shape, g, (xAt, wAt, yAt) => {
    dx.data[xAt] += dy.data[yAt] * w.data[wAt];
  });
  return dx;
}

/** The gradient of conv2d by its weight, from input and output gradient. */
function convWeightGrad([x, dy]: Nd[], g: Geometry & { kernelH: number; kernelW: number }): Nd {
  const dw = make([dy.shape[3], g.kernelH, g.kernelW, x.shape[3] / g.groups]);
  forEachTerm(x.shape, dw.shape, dy.shape, g, (xAt, wAt, yAt) => {
    dw.data[wAt] += x.data[xAt] * dy.data[yAt];
  });
  return dw;
}

/** act(y + bias), the bias along the last dimension. */
function ended(y: Nd, bias: Nd, attrs: ActivationAttrs): Nd {
  return { shape: y.shape, data: y.data.map((v, i) => activate(v + bias.data[i % bias.data.length], attrs)) };
}

export const references: References = {
  conv2d,
  convInputGrad,
  convWeightGrad,
  conv2dAct: ([x, w, b]: Nd[], g: Geometry & ActivationAttrs) => ended(conv2d([x, w], g), b, g),
  convInputGradAct: ([dy, w, b]: Nd[], g: Parameters<typeof convInputGrad>[1] & ActivationAttrs) =>
    ended(convInputGrad([dy, w], g), b, g),
};
