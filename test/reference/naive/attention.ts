// Reference of attention from the definition: the softmax over the visible keys of scale q.k (+ mask), times v.

import { at, make, type Nd, type References, size } from '../nd.js';

interface Attrs {
  scale: number;
  causal: boolean;
}

/** The weights of one query over the keys; a hidden key has 0, and so have all if every key is hidden. */
function weights(scores: (number | undefined)[]): number[] {
  const exps = scores.map((s) => (s === undefined ? 0 : Math.exp(s)));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => (total === 0 ? 0 : e / total));
}

function attention([q, k, v, mask]: Nd[], { scale, causal }: Attrs): Nd {
  const lead = q.shape.slice(0, -2);
  const [queries, depth] = q.shape.slice(-2);
  const [keys, valueDepth] = v.shape.slice(-2);
  const y = make([...lead, queries, valueDepth]);
  const index = (batch: number, i: number, j: number): number[] => {
    const position = [i, j];
    for (let d = lead.length - 1, rest = batch; d >= 0; rest = Math.floor(rest / lead[d--]))
      position.unshift(rest % lead[d]);
    return position;
  };
  // Which masks hide is told by their type in the engine; here by their values being 0 and 1.
  const hides = mask?.data.every((m) => m === 0 || m === 1);
  for (let b = 0; b < size(lead); b++)
    for (let i = 0; i < queries; i++) {
      const scores = Array.from({ length: keys }, (_, j) => {
        const m = mask ? at(mask, index(b, i, j)) : 0;
        if ((causal && j > i) || (mask && hides && m === 0)) return undefined;
        let dot = 0;
        for (let c = 0; c < depth; c++)
          dot += q.data[(b * queries + i) * depth + c] * k.data[(b * keys + j) * depth + c];
        return scale * dot + (hides ? 0 : m);
      });
      weights(scores).forEach((p, j) => {
        for (let c = 0; c < valueDepth; c++)
          y.data[(b * queries + i) * valueDepth + c] += p * v.data[(b * keys + j) * valueDepth + c];
      });
    }
  return y;
}

export const references: References = { attention };
