// Mixed precision: which type products are computed in, and the bf16 copies of f32 weights. Under 'bf16' convolutions,
// matrix products and attention round what flows into them to bf16 and sum in f32; activations between them stay bf16,
// while parameters (master weights), their gradients, statistics, losses and optimisers stay f32. Micikevicius et al.
// 2018, with bf16, whose range is that of f32, so that no loss scaling is needed. Not a cast of whole networks.

import { GanvasError } from '../errors.js';
import { dtypes } from '../native.js';
import { native } from './define.js';
import { cast } from './ops/unary.js';
import { keep } from './scope.js';
import type { Tensor } from './tensor.js';

/** What products are computed in. */
export const precisions = ['f32', 'bf16'] as const;
export type Precision = (typeof precisions)[number];

let current: Precision = 'f32';
// The bf16 copies of weights that live as long as the gradient being taken; undefined outside of one.
let copies: Map<Tensor, Tensor> | undefined;

/**
 * Runs `fn` with convolutions, matrix products and attention computed in `precision`. For 'bf16' their f32 inputs are
 * rounded to bf16 (recorded, so gradients come back in f32) and results are bf16; the gradient pass of an op follows
 * the types of its forward pass, wherever it runs. Nests; the innermost call holds.
 *
 *     const { value, grads } = withPrecision('bf16', () => valueAndGrad(() => loss(net.forward(x)), net.parameters()));
 *
 * @throws GanvasError ERR_ARGUMENT for another precision or an async function
 */
export function withPrecision<T>(precision: Precision, fn: () => T): T {
  if (!precisions.includes(precision)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `withPrecision: expected one of ${precisions.join(', ')}, got ${String(precision)}`,
    );
  }
  const before = current;
  current = precision;
  try {
    const result = fn();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new GanvasError('ERR_ARGUMENT', 'withPrecision: the function must not be async');
    }
    return result;
  } finally {
    current = before;
  }
}

/** @internal x as a product under the current precision takes it. */
export function autocast(x: Tensor): Tensor {
  return current === 'bf16' && x.dtype === 'f32' ? cast(x, 'bf16') : x;
}

/** x in f32: what losses and statistics are computed in. x itself unless it is bf16. */
export function inFloat32(x: Tensor): Tensor {
  return x.dtype === 'bf16' ? cast(x, 'f32') : x;
}

/** @internal Runs fn, a whole gradient, in which each weight is rounded to bf16 only once. */
export function withWeightCopies<T>(fn: () => T): T {
  if (copies) return fn();
  copies = new Map();
  try {
    return fn();
  } finally {
    for (const copy of copies.values()) copy.dispose();
    copies = undefined;
  }
}

/** @internal These tensors are about to be written in place: their copies become stale. */
export function forgetWeightCopies(written: readonly Tensor[]): void {
  if (!copies?.size) return;
  for (const t of written) {
    copies.get(t)?.dispose();
    copies.delete(t);
  }
}

const toBF16 = (t: Tensor): Tensor => native('cast', [t], [dtypes.indexOf('bf16')])[0];

/**
 * @internal Calls a native product, which takes operands of one type: an f32 operand beside a bf16 one, such as a
 * weight, is rounded to bf16. Copies of tensors that no scope will free (parameters) are made once per gradient.
 * What `others` holds (a bias) is no operand and keeps its type.
 */
export function nativeProduct(
  name: string,
  operands: Tensor[],
  attrs: readonly number[],
  others: Tensor[] = [],
): Tensor[] {
  if (operands.every((t) => t.dtype === operands[0].dtype))
    return native(name, [...operands, ...others], attrs);
  const temporary: Tensor[] = [];
  const rounded = operands.map((t) => {
    if (t.dtype !== 'f32') return t;
    const known = copies?.get(t);
    if (known) return known;
    const copy = toBF16(t);
    if (copies && t.scope === undefined) copies.set(t, keep(copy));
    else temporary.push(copy);
    return copy;
  });
  const results = native(name, [...rounded, ...others], attrs);
  for (const t of temporary) t.dispose();
  return results;
}
