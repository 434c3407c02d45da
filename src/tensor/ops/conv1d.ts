// One-dimensional convolution of sequences [N, L, C] and its transpose: the two-dimensional ops on a view of height 1,
// so their algorithms and all orders of gradient are those of conv.ts. No kernel of its own.

import { GanvasError } from '../../errors.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import type { EpilogueOptions } from './bias.js';
import { conv2d, convTranspose2d } from './conv.js';
import { reshape } from './shape.js';

export interface Conv1dOptions extends EpilogueOptions {
  /** Step of the window. Default 1. */
  stride?: number;
  /** Zeros around the sequence: a number, [before, after], or 'same' (stride 1). Default 0. */
  padding?: number | readonly [number, number] | 'same' | 'valid';
  /** Distance between the taps of the kernel. Default 1. */
  dilation?: number;
  /** Channels are split into this many groups that do not see one another. Default 1. */
  groups?: number;
}

export interface ConvTranspose1dOptions extends Omit<Conv1dOptions, 'padding'> {
  /** Padding of the convolution that this transposes: it shrinks the result. */
  padding?: number | readonly [number, number];
  /** Elements added at the end, where a stride leaves the length open. Default 0. */
  outputPadding?: number;
}

function assertSequence(op: string, x: Tensor, w: Tensor, channelsOfW: (w: Tensor) => number): void {
  assertTensor(x, `${op}: x`);
  assertTensor(w, `${op}: w`);
  if (x.rank !== 3 || w.rank !== 3) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: x must be [N, L, C] and w [channels, kL, channels / groups], got [${x.shape}] and [${w.shape}]`,
    );
  }
  if (x.shape[2] !== channelsOfW(w)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: x [${x.shape}] has ${x.shape[2]} channels, w [${w.shape}] expects ${channelsOfW(w)}`,
    );
  }
}

/** The options of the same convolution over rows: height 1, kernel height 1. */
function overRows(op: string, options: Conv1dOptions) {
  const { stride = 1, dilation = 1, padding = 0, groups, bias, activation, slope } = options;
  for (const [name, value] of Object.entries({ stride, dilation })) {
    if (!Number.isSafeInteger(value)) {
      throw new GanvasError('ERR_ARGUMENT', `${op}: ${name} must be a whole number, got ${String(value)}`);
    }
  }
  const [before, after] = typeof padding === 'number' ? [padding, padding] : padding;
  const sides = [
    [0, 0],
    [before as number, after as number],
  ] as const;
  return {
    stride: [1, stride] as const,
    dilation: [1, dilation] as const,
    groups,
    padding: sides,
    bias,
    activation,
    slope,
  };
}

const asRow = ({ shape: [a, l, c] }: Tensor): number[] => [a, 1, l, c];
const asSequence = ({ shape: [n, , l, c] }: Tensor): number[] => [n, l, c];

/**
 * One-dimensional convolution (cross-correlation): y[n, i, k] = Σ_{u,c} x[n, i·s + u·d − p, c] w[k, u, c].
 *
 * x [N, L, C], w [outC, kL, C / groups] → [N, L', outC] with L' = ⌊(L + pads − d(kL−1) − 1) / s⌋ + 1.
 * Throws ERR_SHAPE where channels, groups or sizes do not fit, ERR_ARGUMENT for impossible options.
 */
export function conv1d(x: Tensor, w: Tensor, options: Conv1dOptions = {}): Tensor {
  assertSequence('conv1d', x, w, ({ shape }) => shape[2] * (options.groups ?? 1));
  const { padding } = options;
  const named = padding === 'same' || padding === 'valid';
  const rows = overRows('conv1d', named ? { ...options, padding: 0 } : options);
  const y = conv2d(reshape(x, asRow(x)), reshape(w, asRow(w)), named ? { ...rows, padding } : rows);
  return reshape(y, asSequence(y));
}

/**
 * Transposed convolution, the gradient of conv1d by its input: the upsampling layer of WaveGAN.
 *
 * x [N, L, C], w [C, kL, outC / groups] → [N, L', outC] with L' = (L − 1)·s − pads + d(kL−1) + outputPadding + 1.
 * Throws ERR_SHAPE or ERR_ARGUMENT as conv1d; outputPadding must be below the stride.
 */
export function convTranspose1d(x: Tensor, w: Tensor, options: ConvTranspose1dOptions = {}): Tensor {
  assertSequence('convTranspose1d', x, w, ({ shape }) => shape[0]);
  const outputPadding = [0, options.outputPadding ?? 0] as const;
  const rows = { ...overRows('convTranspose1d', options), outputPadding };
  const y = convTranspose2d(reshape(x, asRow(x)), reshape(w, asRow(w)), rows);
  return reshape(y, asSequence(y));
}

const table = { conv1d, convTranspose1d } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
