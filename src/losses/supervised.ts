// Losses against known targets: classification and regression. Pure functions that return a scalar, the mean over all.

import { GanvasError } from '../errors.js';
import {
  abs,
  add,
  arange,
  gather,
  logSoftmax,
  mean,
  mul,
  neg,
  reshape,
  softplus,
  square,
  sub,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

function assertSameShape(loss: string, a: Tensor, b: Tensor): void {
  if (a.rank !== b.rank || a.shape.some((size, i) => size !== b.shape[i])) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${loss}: both arguments must have one shape, got [${a.shape}] and [${b.shape}]`,
    );
  }
}

/**
 * Binary cross-entropy from logits: E[softplus(x) - x t], which is -E[t log σ(x) + (1-t) log(1-σ(x))].
 * @param targets probabilities in [0, 1]: a tensor of the shape of `logits`, or one number for all
 * @throws GanvasError ERR_SHAPE unless the shapes agree
 */
export function bceWithLogits(logits: Tensor, targets: Tensor | number): Tensor {
  if (typeof targets !== 'number') assertSameShape('bceWithLogits', logits, targets);
  return mean(sub(softplus(logits), mul(logits, targets)));
}

/**
 * Cross-entropy of classes: -E[log softmax(x)_label].
 * @param logits [N, classes]
 * @param labels [N], i32, each from 0 to classes - 1
 * @throws GanvasError ERR_SHAPE unless there is one label per row; a label out of range is reported by the next read
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  if (logits.rank !== 2 || labels.rank !== 1 || labels.shape[0] !== logits.shape[0]) {
    throw new GanvasError(
      'ERR_SHAPE',
      `crossEntropy: expected logits [N, classes] and labels [N], got [${logits.shape}] and [${labels.shape}]`,
    );
  }
  const [n, classes] = logits.shape;
  // Looking the label up in 0, 1, 2, ... changes nothing but reports one that is out of range.
  const checked = gather(arange(classes), labels);
  const index = add(checked, arange(0, n * classes, classes));
  return neg(mean(gather(reshape(logSoftmax(logits, 1), [n * classes]), index)));
}

/** E[(x - t)²]. Throws ERR_SHAPE unless the shapes agree. */
export function mse(x: Tensor, target: Tensor): Tensor {
  assertSameShape('mse', x, target);
  return mean(square(sub(x, target)));
}

/** E[|x - t|]. Throws ERR_SHAPE unless the shapes agree. */
export function l1(x: Tensor, target: Tensor): Tensor {
  assertSameShape('l1', x, target);
  return mean(abs(sub(x, target)));
}
