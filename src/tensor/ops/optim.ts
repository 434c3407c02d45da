// In-place updates of many tensors at once, each list one kernel call. These are what optimisers, moving averages and
// loading of weights are made of; they are not differentiable and not part of the public surface. The formulas are
// PyTorch's (torch.optim); see native/ops/optim.h. What changes from step to step may be live (live.ts).

import { GanvasError } from '../../errors.js';
import { native } from '../define.js';
import type { Attribute, Live } from '../live.js';
import { forgetWeightCopies } from '../precision.js';
import type { Tensor } from '../tensor.js';

type Tensors = readonly Tensor[];

/** Calls the native op on the lists in step: first of each, second of each, ... Nothing to do for empty lists. */
function update(op: string, lists: Record<string, Tensors>, attrs: Attribute[]): void {
  const names = Object.keys(lists);
  const columns = Object.values(lists);
  const count = columns[0].length;
  columns.forEach((list, k) => {
    if (list.length !== count) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${op}: expected as many ${names[k]} as ${names[0]} (${count}), got ${list.length}`,
      );
    }
  });
  forgetWeightCopies(columns.flat());
  if (count > 0)
    native(op, Array.from({ length: count }, (_, i) => columns.map((list) => list[i])).flat(), attrs);
}

/** dst ← src, of the same shape and dtype (ERR_SHAPE, ERR_DTYPE). Two lists copy each tensor to its partner. */
export function assign(dst: Tensor | Tensors, src: Tensor | Tensors): void {
  const [to, from] = [[dst].flat(), [src].flat()];
  if (to.length === from.length && to.every((t, i) => t === from[i])) return;
  update('assign', { destinations: to, sources: from }, []);
}

/** dst ← dst + weight (src − dst), weight in [0, 1]: a moving average with β = 1 − weight. */
export function lerp(dst: Tensors, src: Tensors, weight: number): void {
  update('lerp', { destinations: dst, sources: src }, [weight]);
}

/** p ← min(max(p, lo), hi): the weight clipping of WGAN. */
export function clampInPlace(params: Tensors, lo: number, hi: number): void {
  update('clampInPlace', { parameters: params }, [lo, hi]);
}

export interface SgdStep {
  lr: Attribute;
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
  /** On the first step the buffer becomes the gradient, undamped. */
  firstStep: boolean | Live;
}

/** torch.optim.SGD. `buffers` is needed only with momentum. */
export function sgdStep(params: Tensors, grads: Tensors, buffers: Tensors | undefined, s: SgdStep): void {
  const lists: Record<string, Tensors> = { parameters: params, gradients: grads };
  if (s.momentum !== 0) lists['momentum buffers'] = buffers ?? [];
  update('sgd', lists, [
    s.lr,
    s.momentum,
    s.dampening,
    s.weightDecay,
    Number(s.nesterov),
    typeof s.firstStep === 'boolean' ? Number(s.firstStep) : s.firstStep,
  ]);
}

export interface AdamStep {
  lr: Attribute;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** AdamW: the weights decay by lr · weightDecay instead of through the gradient. */
  decoupled: boolean;
  /** Number of this step, from 1. */
  step: Attribute;
}

/** torch.optim.Adam and AdamW: p ← p − lr m̂ / (√v̂ + eps). */
export function adamStep(params: Tensors, grads: Tensors, m: Tensors, v: Tensors, s: AdamStep): void {
  update('adam', { parameters: params, gradients: grads, 'first moments': m, 'second moments': v }, [
    s.lr,
    s.beta1,
    s.beta2,
    s.eps,
    s.weightDecay,
    Number(s.decoupled),
    s.step,
  ]);
}

export interface RmspropStep {
  lr: Attribute;
  alpha: number;
  eps: number;
  weightDecay: number;
  momentum: number;
  centered: boolean;
}

/** torch.optim.RMSprop; only the moments that the step uses: `momentum` where it is not 0, `mean` when centered. */
export function rmspropStep(
  params: Tensors,
  grads: Tensors,
  moments: { square: Tensors; momentum?: Tensors; mean?: Tensors },
  s: RmspropStep,
): void {
  const lists: Record<string, Tensors> = { parameters: params, gradients: grads, squares: moments.square };
  if (s.momentum !== 0) lists['momentum buffers'] = moments.momentum ?? [];
  if (s.centered) lists.means = moments.mean ?? [];
  update('rmsprop', lists, [s.lr, s.alpha, s.eps, s.weightDecay, s.momentum, Number(s.centered)]);
}
