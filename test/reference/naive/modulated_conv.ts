// Reference of what surrounds the convolution of a modulated one: scale per sample, noise per pixel, bias, activation.

import { at, build, type Nd, type References } from '../nd.js';
import { type FinishAttrs, finish } from './bias.js';

type Attrs = FinishAttrs & { noise: boolean; bias: boolean };

export const references: References = {
  scaleAct: ([x, scale, ...more]: Nd[], attrs: Attrs) => {
    const noise = attrs.noise ? more[0] : undefined;
    const bias = attrs.bias ? more[more.length - 1] : undefined;
    return build(x.shape, (index, i) => {
      const c = index[index.length - 1];
      const z = x.data[i] * at(scale, [index[0], c]) + (noise ? at(noise, index.slice(0, -1)) : 0);
      return finish(z + (bias ? bias.data[c] : 0), attrs);
    });
  },
};
