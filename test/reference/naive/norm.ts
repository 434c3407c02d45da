// References of the normalisations: (x - mean) / sqrt(variance + eps), scaled, shifted and activated, with the biased
// variance of the elements that share statistics, in two passes.

import { at, build, map, type Nd, type References, size } from '../nd.js';
import { type ActivationAttrs, activate } from './bias.js';

type Attrs = ActivationAttrs & { eps: number };

/** x with each group of elements (group(flat) is its number) brought to mean 0 and variance 1. */
function normalise(x: Nd, groups: number, group: (flat: number) => number, eps: number): Nd {
  const [count, mean, variance] = [0, 1, 2].map(() => new Float64Array(groups));
  x.data.forEach((v, i) => {
    count[group(i)]++;
    mean[group(i)] += v;
  });
  for (let k = 0; k < groups; k++) mean[k] /= count[k];
  x.data.forEach((v, i) => {
    variance[group(i)] += (v - mean[group(i)]) ** 2 / count[group(i)];
  });
  return build(x.shape, (_, i) => (x.data[i] - mean[group(i)]) / Math.sqrt(variance[group(i)] + eps));
}

/** Scale, shift and activation; gamma and beta [N, C] are the same for all pixels of a sample. */
function finish(normalised: Nd, gamma: Nd, beta: Nd, attrs: ActivationAttrs): Nd {
  if (gamma.shape.length !== 2) {
    return map([normalised, gamma, beta], (h, scale, shift) => activate(h * scale + shift, attrs));
  }
  return build(normalised.shape, (index, i) => {
    const own = [index[0], index[index.length - 1]];
    return activate(normalised.data[i] * at(gamma, own) + at(beta, own), attrs);
  });
}

export const references: References = {
  channelNorm: (
    [x, gamma, beta]: Nd[],
    attrs: Attrs & { batch: number; groupSize: number; together: boolean },
  ) => {
    const channels = x.shape[x.shape.length - 1];
    const groups = channels / attrs.groupSize;
    const perPart = attrs.together ? Number.POSITIVE_INFINITY : size(x.shape) / attrs.batch;
    const group = (i: number) =>
      Math.floor(i / perPart) * groups + Math.floor((i % channels) / attrs.groupSize);
    return finish(normalise(x, Math.max(attrs.batch, 1) * groups, group, attrs.eps), gamma, beta, attrs);
  },

  rowNorm: ([x, gamma, beta]: Nd[], attrs: Attrs & { dims: number }) => {
    const columns = size(gamma.shape);
    const rows = columns === 0 ? 0 : size(x.shape) / columns;
    const group = (i: number) => Math.floor(i / columns);
    return map([normalise(x, rows, group, attrs.eps), gamma, beta], (h, scale, shift) =>
      activate(h * scale + shift, attrs),
    );
  },

  affineAct: ([x, scale, shift]: Nd[], attrs: ActivationAttrs) => finish(x, scale, shift, attrs),

  pixelNorm: ([x]: Nd[], { eps }: { eps: number }) => {
    const n = x.shape[x.shape.length - 1];
    return build(x.shape, (_, i) => {
      const first = i - (i % n);
      const squares = x.data.subarray(first, first + n).reduce((total, v) => total + v * v, 0);
      return x.data[i] / Math.sqrt(squares / n + eps);
    });
  },
};
