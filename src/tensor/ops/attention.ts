// Scaled dot-product attention. The kernel never writes the map of all queries by all keys; its gradient computes the
// map again, block by block. Gradients of gradients go through the map itself, in single ops. Layers: nn/attention.ts.

import { GanvasError } from '../../errors.js';
import { apply, defineFused, native, type Sample, upload } from '../define.js';
import { autocast } from '../precision.js';
import { assertTensor, type Shape, type Tensor } from '../tensor.js';
import { add, mul } from './binary.js';
import { notEqual, where } from './compare.js';
import { matmul } from './matmul.js';
import { broadcastTo } from './shape.js';
import { softmax, softmaxGrad } from './softmax.js';

interface AttentionAttrs {
  scale: number;
  causal: boolean;
}

const encode = ({ scale, causal }: AttentionAttrs) => [scale, Number(causal)];

/** 1 where query i may see key j ≤ i, as [queries, keys] u8. */
function lowerTriangle(queries: number, keys: number): Tensor {
  const seen = new Uint8Array(queries * keys);
  for (let i = 0; i < queries; i++) seen.fill(1, i * keys, i * keys + Math.min(i + 1, keys));
  return upload(seen, [queries, keys], 'u8');
}

/** What the dimensions before the last two broadcast to. */
function leadingShape(tensors: readonly Tensor[]): number[] {
  const lead: number[] = [];
  for (const { shape } of tensors) {
    for (let fromEnd = 3; fromEnd <= shape.length; fromEnd++) {
      const size = shape[shape.length - fromEnd];
      const before = lead.at(-(fromEnd - 2));
      if (before === undefined) lead.unshift(size);
      else if (before === 1) lead[lead.length - (fromEnd - 2)] = size;
    }
  }
  return lead;
}

function spread(x: Tensor, lead: Shape): Tensor {
  const shape = [...lead, ...x.shape.slice(-2)];
  return x.rank === shape.length && shape.every((n, i) => n === x.shape[i]) ? x : broadcastTo(x, shape);
}

const lowest = -3.4028234663852886e38;

/** The softmax over the keys: 0 for hidden keys, also where a query sees none. */
function attentionMap([q, k, , mask]: Tensor[], { scale, causal }: AttentionAttrs): Tensor {
  const additive = mask !== undefined && mask.dtype !== 'u8';
  const products = mul(matmul(q, k, { transB: true }), scale);
  const scores = additive ? add(products, mask) : products;
  const seen = mask && (additive ? notEqual(mask, Number.NEGATIVE_INFINITY) : mask);
  const triangle = causal ? lowerTriangle(q.shape[q.rank - 2], k.shape[k.rank - 2]) : undefined;
  const visible = seen && triangle ? mul(notEqual(seen, 0), triangle) : (seen ?? triangle);
  if (!visible) return softmax(scores);
  return where(visible, softmax(where(visible, scores, lowest)), 0);
}

const attentionOp = defineFused<AttentionAttrs>({
  name: 'attention',
  run: (inputs, attrs) => native('attention', inputs, encode(attrs)),
  vjp: ({ inputs, outputs: [y, lse], attrs, needs }, gy) => {
    const [q, k, v, ...mask] = inputs;
    const grads: (Tensor | undefined)[] = native(
      'attentionGrad',
      [gy, q, k, v, y, lse, ...mask],
      encode(attrs),
    );
    // The gradient by an additive mask is as large as the map, so nothing is saved by doing without the map.
    if (needs[3]) grads.push(softmaxGrad(matmul(gy, v, { transB: true }), attentionMap(inputs, attrs)));
    return grads;
  },
  saves: { inputs: [0, 1, 2, 3], outputs: [0, 1] },
  fallback: (inputs, attrs) => matmul(attentionMap(inputs, attrs), inputs[2]),
  samples: () => {
    const of = (
      lead: number[],
      [queries, keys, depth, valueDepth]: [number, number, number, number],
      { scale = 0.7, causal = false, ...more }: Partial<AttentionAttrs> & { gradient?: boolean } = {},
      mask: Sample<AttentionAttrs>['inputs'] = [],
    ): Sample<AttentionAttrs> => ({
      inputs: [
        { shape: [...lead, queries, depth] },
        { shape: [...lead, keys, depth] },
        { shape: [...lead, keys, valueDepth] },
        ...mask,
      ],
      attrs: { scale, causal },
      ...more,
    });
    const bits = (shape: number[]) => [{ shape, dtype: 'u8' as const, lo: 0, hi: 1 }];
    return [
      of([], [3, 4, 2, 3]),
      of([1], [1, 1, 1, 1]),
      of([2], [5, 5, 3, 2], { causal: true }),
      of([2, 2], [3, 4, 2, 1]),
      of([], [17, 3, 19, 5]),
      of([], [2, 5, 3, 2], { causal: true }),
      of([], [5, 2, 3, 2], { causal: true, scale: -1.3 }),
      of([0], [3, 2, 2, 2]),
      of([2], [0, 3, 2, 2]),
      of([2], [3, 0, 2, 2]),
      of([], [3, 4, 2, 2], {}, [{ shape: [3, 4] }]),
      of([2, 2], [3, 4, 2, 2], { causal: true }, [{ shape: [2, 1, 4] }]),
      of([2], [3, 4, 2, 2], {}, bits([3, 4])),
      of([2], [3, 4, 2, 2], { causal: true }, bits([2, 1, 4])),
      of([], [3, 2, 2, 2], {}, [{ shape: [3, 2], dtype: 'u8', values: [1, 0, 0, 0, 1, 1] }]),
      // Beyond one block of queries and of keys; finite differences would take too long.
      of([2], [270, 530, 3, 20], { gradient: false }),
      of([], [280, 540, 18, 3], { causal: true, gradient: false }),
    ];
  },
});

export interface AttentionOptions {
  /** Multiplies the products of queries and keys. Default 1/√d. */
  scale?: number;
  /** Whether query i sees keys 0 to i only. Default false. */
  causal?: boolean;
  /** Broadcasts to [..., Nq, Nk]: u8, where 0 hides a key from a query, or f32, added to the scaled products. */
  mask?: Tensor;
}

/**
 * y = softmax(scale · q kᵀ + mask) v over the keys (Vaswani et al. 2017, eq. 1).
 *
 * q [..., Nq, d], k [..., Nk, d], v [..., Nk, dv] → [..., Nq, dv]; leading dimensions (batch, heads) broadcast. The
 * map [..., Nq, Nk] is never in memory, neither here nor in the first gradient (but for a mask that has one itself);
 * gradients of gradients do build it. A query that sees no key gives zeros.
 *
 * Throws ERR_SHAPE where shapes do not fit, ERR_DTYPE unless q, k and v are floats and the mask u8 or f32,
 * ERR_ARGUMENT for a scale that is not finite.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { scale, causal = false, mask }: AttentionOptions = {},
): Tensor {
  assertTensor(q, 'scaledDotProductAttention: q');
  assertTensor(k, 'scaledDotProductAttention: k');
  assertTensor(v, 'scaledDotProductAttention: v');
  if (mask !== undefined) assertTensor(mask, 'scaledDotProductAttention: mask');
  if (scale !== undefined && !Number.isFinite(scale)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `scaledDotProductAttention: scale must be a finite number, got ${String(scale)}`,
    );
  }
  for (const x of [q, k, v]) {
    if (x.rank >= 2) continue;
    const shapes = [q, k, v].map((t) => `[${t.shape}]`).join(', ');
    throw new GanvasError(
      'ERR_SHAPE',
      `scaledDotProductAttention: q, k and v must have at least two dimensions, got ${shapes}`,
    );
  }
  const lead = leadingShape([q, k, v]);
  const inputs = [q, k, v].map((x) => spread(autocast(x), lead));
  if (mask) inputs.push(mask);
  const attrs = { scale: scale ?? 1 / Math.sqrt(Math.max(1, q.shape[q.rank - 1])), causal };
  return apply(attentionOp, inputs, attrs);
}
