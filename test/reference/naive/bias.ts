// References of the activations that fused ops apply, and of biasAct.

import { map, type Nd, type References } from '../nd.js';

export interface ActivationAttrs {
  activation: 'none' | 'relu' | 'leakyRelu' | 'tanh' | 'sigmoid';
  slope: number;
}

export function activate(z: number, { activation, slope }: ActivationAttrs): number {
  switch (activation) {
    case 'none':
      return z;
    case 'relu':
      return Math.max(z, 0);
    case 'leakyRelu':
      return z > 0 ? z : slope * z;
    case 'tanh':
      return Math.tanh(z);
    case 'sigmoid':
      return 1 / (1 + Math.exp(-z));
  }
}

export interface FinishAttrs extends ActivationAttrs {
  gain: number;
  clamp: number;
}

export function finish(z: number, attrs: FinishAttrs): number {
  return Math.min(Math.max(attrs.gain * activate(z, attrs), -attrs.clamp), attrs.clamp);
}

export const references: References = {
  biasAct: ([x, b]: Nd[], attrs: FinishAttrs) => map([x, b], (v, bias) => finish(v + bias, attrs)),
};
