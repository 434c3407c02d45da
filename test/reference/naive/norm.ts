// References of the normalisations: (x - mean) / sqrt(variance + eps), scaled, shifted and activated, with the biased
// variance of the elements that share statistics, in two passes.

import { build, map, type Nd, type References, size } from '../nd.js';
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

const finish = (normalised: Nd, gamma: Nd, beta: Nd, attrs: ActivationAttrs): Nd =>
  map([normalised, gamma, beta], (h, scale, shift) => activate(h * scale + shift, attrs));

export const references: References = {
  channelNorm: ([x, gamma, beta]: Nd[], attrs: Attrs & { batch: number }) => {
    const channels = gamma.shape[0];
    const perBatch = size(x.shape) / attrs.batch;
    const group = (i: number) => Math.floor(i / perBatch) * channels + (i % channels);
    return finish(normalise(x, attrs.batch * channels, group, attrs.eps), gamma, beta, attrs);
  },

  rowNorm: ([x, gamma, beta]: Nd[], attrs: Attrs & { dims: number }) => {
    const columns = size(gamma.shape);
    const rows = columns === 0 ? 0 : size(x.shape) / columns;
    const group = (i: number) => Math.floor(i / columns);
    return finish(normalise(x, rows, group, attrs.eps), gamma, beta, attrs);
  },

  affineAct: ([x, scale, shift]: Nd[], attrs: ActivationAttrs) => finish(x, scale, shift, attrs),
};
