// The modulated convolution of StyleGAN2 and 3: channels scaled by a style per sample, one convolution that all samples
// share, its results scaled per sample (demodulation), then noise, bias and activation. Scaling x and y instead of the
// weight gives the same numbers as the paper's per-sample weights (Karras et al. 2020, equations 1 to 3) and lets the
// convolution run once for the whole batch. Around the convolution each direction is one pass over the images.

import { GanvasError } from '../../errors.js';
import { apply, defineFused, native, type Sample } from '../define.js';
import { inFloat32, withPrecision } from '../precision.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import {
  activations,
  biasAct,
  encodeFinish,
  type FinishAttrs,
  type FinishOptions,
  finish,
  finishAttrs,
} from './bias.js';
import { add, mul } from './binary.js';
import { conv2d, convTranspose2d } from './conv.js';
import { matmul } from './matmul.js';
import { sum } from './reduce.js';
import { reshape, transpose } from './shape.js';
import { rsqrt, square } from './unary.js';
import { type Filter, setupFilter, upfirdn2d } from './upfirdn.js';

interface ScaleActAttrs extends FinishAttrs {
  /** Which of the optional inputs follow x and scale. */
  noise: boolean;
  bias: boolean;
}

const encode = (a: ScaleActAttrs) => [...encodeFinish(a), Number(a.noise), Number(a.bias)];

const scaleActOp = defineFused<ScaleActAttrs>({
  name: 'scaleAct',
  run: (inputs, attrs) => native('scaleAct', inputs, encode(attrs)),
  vjp: ({ inputs, attrs }, gy) => native('scaleActGrad', [gy, ...inputs], encode(attrs)),
  fallback: ([x, scale, ...more], attrs) => {
    const [n, c] = scale.shape;
    const scaled = mul(x, reshape(scale, [n, ...x.shape.slice(1, -1).map(() => 1), c]));
    const noisy = attrs.noise ? add(scaled, reshape(more[0], [...more[0].shape, 1])) : scaled;
    return finish(attrs.bias ? add(noisy, more[more.length - 1]) : noisy, attrs);
  },
  samples: () => {
    const of = (
      shape: number[],
      options: Partial<ScaleActAttrs> & { shared?: boolean; gradient?: boolean },
    ): Sample<ScaleActAttrs> => {
      const { shared = false, gradient, ...more } = options;
      const attrs = {
        activation: 'none' as const,
        slope: 0.2,
        gain: 1,
        clamp: Number.POSITIVE_INFINITY,
        noise: false,
        bias: false,
        ...more,
      };
      const [n, c] = [shape[0], shape[shape.length - 1]];
      return {
        inputs: [
          { shape },
          { shape: [n, c], lo: 0.5, hi: 1.5 },
          ...(attrs.noise ? [{ shape: [shared ? 1 : n, ...shape.slice(1, -1)] }] : []),
          ...(attrs.bias ? [{ shape: [c] }] : []),
        ],
        attrs,
        gradient,
      };
    };
    const full = { noise: true, bias: true };
    return [
      of([2, 3, 2, 3], {}),
      ...activations.map((activation) => of([2, 2, 3, 2], { ...full, activation, gain: 1.3 })),
      of([3, 2, 2, 4], { ...full, shared: true, activation: 'leakyRelu', gain: Math.SQRT2, clamp: 1.5 }),
      of([2, 5, 3], { noise: true }),
      of([3, 4], { bias: true, activation: 'relu' }),
      of([1, 3, 2, 1], { ...full, shared: true }),
      of([0, 2, 3], { ...full, shared: true }),
      of([2, 0, 3], full),
      of([2, 3, 0], full),
      of([2, 3, 17], { ...full, activation: 'leakyRelu' }),
      of([3, 21, 11, 70], { ...full, shared: true, activation: 'leakyRelu', gradient: false }),
    ];
  },
});

export interface ScaleActOptions extends FinishOptions {
  /** One number per pixel, added to all channels: [N, ...] or, the same for all samples, [1, ...]. */
  noise?: Tensor;
  /** [C]. */
  bias?: Tensor;
}

/**
 * y = gain · act(x · scale + noise + bias), limited to [-clamp, clamp], in one pass: what ends a layer of StyleGAN2.
 *
 * x [N, ..., C], scale [N, C] → x's shape. Throws ERR_SHAPE where something does not fit, ERR_ARGUMENT for impossible
 * options.
 */
export function scaleAct(x: Tensor, scale: Tensor, options: ScaleActOptions = {}): Tensor {
  const { noise, bias, ...rest } = options;
  assertTensor(x, 'scaleAct: x');
  assertTensor(scale, 'scaleAct: scale');
  if (noise) assertTensor(noise, 'scaleAct: noise');
  if (bias) assertTensor(bias, 'scaleAct: bias');
  const inputs = [scale, ...(noise ? [noise] : []), ...(bias ? [bias] : [])].map(inFloat32);
  return apply(scaleActOp, [x, ...inputs], {
    ...finishAttrs('scaleAct', rest),
    noise: noise !== undefined,
    bias: bias !== undefined,
  });
}

/** Below this the sum of squares of a demodulated weight is not distinguished from 0. */
const demodulationEps = 1e-8;

function assertFactor(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1) return;
  throw new GanvasError(
    'ERR_ARGUMENT',
    `convResample2d: ${name} must be an integer of at least 1, got ${String(value)}`,
  );
}

/** rsqrt(Σ (w s)² + 1e-8) over kernel and input channels, [N, outC]. */
function demodulation(w: Tensor, styles: Tensor): Tensor {
  const squares = square(inFloat32(styles));
  const energy = withPrecision('f32', () => matmul(squares, sum(square(w), [1, 2]), { transB: true }));
  return rsqrt(add(energy, demodulationEps));
}

export interface ConvResampleOptions {
  /** Zeros around the image, beyond what resampling needs. Default: half the kernel, which keeps the size. */
  padding?: number;
  /** How many times larger the result is: 1 (default) or more. The kernel is then mirrored, as in the authors' code. */
  up?: number;
  /** How many times smaller the result is. Default 1. */
  down?: number;
  /** The low-pass filter of `up` and `down`. Default setupFilter([1, 3, 3, 1]). */
  resampleFilter?: Filter;
}

/**
 * Convolution with `up` and `down` times resampling through a filter: StyleGAN2's conv2d_resample.
 *
 * x [N, H, W, C], w [outC, kH, kW, C] → [N, H·up/down, W·up/down, outC] for the default padding and an odd kernel.
 * Throws ERR_SHAPE where x and w do not fit, ERR_ARGUMENT for impossible options.
 */
export function convResample2d(x: Tensor, w: Tensor, options: ConvResampleOptions = {}): Tensor {
  assertTensor(x, 'convResample2d: x');
  assertTensor(w, 'convResample2d: w');
  const { up = 1, down = 1, resampleFilter: filter = setupFilter([1, 3, 3, 1]) } = options;
  const { padding = Math.floor((w.shape[1] ?? 1) / 2) } = options;
  assertFactor('up', up);
  assertFactor('down', down);
  return scope(() => convolve(x, w, padding, up, down, filter));
}

function convolve(x: Tensor, w: Tensor, padding: number, up: number, down: number, filter: Filter): Tensor {
  if (up === 1 && down === 1) return conv2d(x, w, { padding });
  const kernel = [w.shape[1], w.shape[2]];
  const taps =
    typeof filter[0] === 'number' ? [filter.length, filter.length] : [filter.length, filter[0].length];
  // Per axis [before, after]: the padding asked for and what centres the filter.
  const pads = taps.map((n): [number, number] => {
    const before = padding + (up > 1 ? Math.floor((n + up - 1) / 2) : 0);
    const after = padding + (up > 1 ? Math.floor((n - up) / 2) : 0);
    return down > 1
      ? [before + Math.floor((n - down + 1) / 2), after + Math.floor((n - down) / 2)]
      : [before, after];
  });
  if (up === 1) {
    const filtered = upfirdn2d(x, filter, { padding: pads.flat() });
    return conv2d(filtered, w, { stride: down });
  }
  // Upsampling with zeros and convolving is a transposed convolution, whose own padding takes what the kernel adds.
  const inner = pads.map(([before, after], i): [number, number] => [
    before - (kernel[i] - 1),
    after - (kernel[i] - up),
  ]);
  const own = inner.map(([before, after]) => Math.max(Math.min(-before, -after), 0));
  const grown = convTranspose2d(x, transpose(w, [3, 1, 2, 0]), { stride: up, padding: [own[0], own[1]] });
  const rest = inner.flatMap(([before, after], i) => [before + own[i], after + own[i]]);
  return upfirdn2d(grown, filter, { padding: rest, gain: up * up, down });
}

export interface ModulatedConv2dOptions extends ScaleActOptions, ConvResampleOptions {
  /** Whether the results are scaled back to unit deviation, per sample and channel. Default true; false before RGB. */
  demodulate?: boolean;
  /** Multiplies x, after the demodulation was worked out (StyleGAN3): a number, or a tensor [] or [C]. */
  inputGain?: number | Tensor;
}

/**
 * Modulated convolution (Karras et al. 2020, StyleGAN2, section 2.2), with what follows it in a layer:
 * y = gain · act(d · conv(s · x, w) + noise + bias), d = (Σ over kernel and input channels of (w s)² + 1e-8)^(-1/2).
 *
 * x [N, H, W, C], w [outC, kH, kW, C], styles [N, C] → [N, H·up/down, W·up/down, outC] for the default padding and an
 * odd kernel. Throws ERR_SHAPE where something does not fit, ERR_ARGUMENT for impossible options.
 */
export function modulatedConv2d(
  x: Tensor,
  w: Tensor,
  styles: Tensor,
  options: ModulatedConv2dOptions = {},
): Tensor {
  assertTensor(x, 'modulatedConv2d: x');
  assertTensor(w, 'modulatedConv2d: w');
  assertTensor(styles, 'modulatedConv2d: styles');
  const { demodulate = true, up, down, padding, resampleFilter, inputGain = 1, ...ending } = options;
  if (x.rank !== 4 || w.rank !== 4 || w.shape[3] !== x.shape[3]) {
    throw new GanvasError(
      'ERR_SHAPE',
      `modulatedConv2d: x must be [N, H, W, C] and w [outC, kH, kW, C], got [${x.shape}] and [${w.shape}]`,
    );
  }
  if (styles.rank !== 2 || styles.shape[0] !== x.shape[0] || styles.shape[1] !== x.shape[3]) {
    throw new GanvasError(
      'ERR_SHAPE',
      `modulatedConv2d: styles must be [${x.shape[0]}, ${x.shape[3]}], got [${styles.shape}]`,
    );
  }
  return scope(() => {
    const scaled = scaleAct(x, inputGain === 1 ? styles : mul(styles, inputGain));
    const y = convResample2d(scaled, w, { padding, up, down, resampleFilter });
    return finishConvolution(y, demodulate ? demodulation(w, styles) : undefined, ending);
  });
}

/** Demodulation and what follows; where nothing is to be scaled, only what is asked for. */
function finishConvolution(y: Tensor, scale: Tensor | undefined, ending: ScaleActOptions): Tensor {
  if (scale) return scaleAct(y, scale, ending);
  const { noise, bias, ...options } = ending;
  const noisy = noise ? add(y, reshape(noise, [...noise.shape, 1])) : y;
  const attrs = finishAttrs('modulatedConv2d', options);
  return bias ? biasAct(noisy, bias, attrs) : finish(noisy, attrs);
}

const table = { convResample2d, modulatedConv2d } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
