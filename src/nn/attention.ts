// Attention layers: SAGAN's self-attention over the pixels of an image, and multi-head attention over sequences. The
// map of all pairs is never in memory (tensor/ops/attention.ts).

import { GanvasError } from '../errors.js';
import { add, conv2d, mul, reshape, scaledDotProductAttention, transpose } from '../tensor/ops/index.js';
import { maxPool2d } from '../tensor/ops/pool.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { addBias, defaultSlope } from './activation.js';
import { Conv2d } from './conv.js';
import { type Initializer, xavierUniform, zeros } from './init.js';
import { Linear } from './linear.js';
import { assertCount, Module, parameter } from './module.js';

export interface SelfAttention2dOptions {
  /** Channels of queries and keys. Default channels / 8, at least 1. */
  keyChannels?: number;
  /** Channels of values. Default channels / 2, at least 1. */
  valueChannels?: number;
  /** Whether keys and values are max-pooled 2×2 first, a quarter of the work; as in BigGAN's code. Default true. */
  pool?: boolean;
  /** Whether the four 1×1 convolutions have biases. Default false. */
  bias?: boolean;
  /** Of the convolutions' weights. Default: PyTorch's for convolutions. */
  weightInit?: Initializer;
  generator?: Generator;
}

/**
 * Self-attention over the pixels of an image (Zhang et al. 2019, "SAGAN", section 3): x [N, H, W, C] → [N, H, W, C],
 *
 *     y = x + γ · output(softmax(query(x) key(x)ᵀ) value(x)),
 *
 * four 1×1 convolutions around attention between all pixels, without 1/√d, and a learned γ that begins at 0. Sizes and
 * pooling follow the code of SAGAN's and BigGAN's authors. Odd heights and widths lose their last row or column of
 * keys when pooled.
 */
export class SelfAttention2d extends Module {
  readonly query: Conv2d;
  readonly key: Conv2d;
  readonly value: Conv2d;
  readonly output: Conv2d;
  /** γ, [1]. */
  readonly gamma: Tensor;
  readonly #pool: boolean;

  /** @throws GanvasError ERR_ARGUMENT unless all channel counts are positive integers */
  constructor(channels: number, options: SelfAttention2dOptions = {}) {
    super();
    assertCount(channels, 'SelfAttention2d: channels');
    const { keyChannels = Math.max(1, channels >> 3), valueChannels = Math.max(1, channels >> 1) } = options;
    const { pool = true, bias = false, weightInit, generator } = options;
    const conv = (inC: number, outC: number) => new Conv2d(inC, outC, 1, { bias, weightInit, generator });
    this.query = conv(channels, keyChannels);
    this.key = conv(channels, keyChannels);
    this.value = conv(channels, valueChannels);
    this.output = conv(valueChannels, channels);
    this.gamma = parameter(zeros([1]));
    this.#pool = pool;
  }

  /** @throws GanvasError ERR_SHAPE unless x is [N, H, W, C], with at least 2×2 pixels where keys are pooled */
  forward(x: Tensor): Tensor {
    if (x.rank !== 4) {
      throw new GanvasError(
        'ERR_SHAPE',
        `SelfAttention2d: expected x of shape [N, H, W, C], got [${x.shape}]`,
      );
    }
    const pixels = (t: Tensor) => reshape(t, [t.shape[0], t.shape[1] * t.shape[2], t.shape[3]]);
    const pooled = (t: Tensor) => pixels(this.#pool ? maxPool2d(t, 2) : t);
    const q = pixels(this.query.forward(x));
    const k = pooled(this.key.forward(x));
    const v = pooled(this.value.forward(x));
    const seen = scaledDotProductAttention(q, k, v, { scale: 1 });
    const image = reshape(seen, [...x.shape.slice(0, 3), seen.shape[2]]);
    // γ scales the small weight instead of the large image.
    const { weight, bias } = this.output;
    const scaled = conv2d(image, mul(weight, this.gamma));
    const options = { activation: 'none', slope: defaultSlope } as const;
    return add(x, addBias(scaled, bias && mul(bias, this.gamma), options));
  }
}

export interface MultiHeadAttentionOptions {
  /** Features of keys and of values before their projections. Default: as the queries. */
  keySize?: number;
  valueSize?: number;
  /** Whether the projections have biases. Default true. */
  bias?: boolean;
  /** Whether query i sees keys 0 to i only. Default false. */
  causal?: boolean;
  generator?: Generator;
}

/**
 * Multi-head attention (Vaswani et al. 2017, section 3.2.2; as torch.nn.MultiheadAttention with batch_first): query
 * [N, Lq, size], key [N, Lk, keySize], value [N, Lk, valueSize] → [N, Lq, size]. Each of `heads` heads attends with
 * size / heads features; first values are PyTorch's (Glorot's uniform, zero biases).
 */
export class MultiHeadAttention extends Module {
  readonly queryProjection: Linear;
  readonly keyProjection: Linear;
  readonly valueProjection: Linear;
  readonly outputProjection: Linear;
  readonly #causal: boolean;

  /** @throws GanvasError ERR_ARGUMENT unless the sizes are positive integers and heads divides size */
  constructor(
    readonly size: number,
    readonly heads: number,
    {
      keySize = size,
      valueSize = size,
      bias = true,
      causal = false,
      generator,
    }: MultiHeadAttentionOptions = {},
  ) {
    super();
    assertCount(size, 'MultiHeadAttention: size');
    assertCount(heads, 'MultiHeadAttention: heads');
    if (size % heads !== 0) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `MultiHeadAttention: size must be a multiple of heads = ${heads}, got ${size}`,
      );
    }
    const linear = (from: number, weightInit?: Initializer) =>
      new Linear(from, size, { bias, weightInit, biasInit: zeros, generator });
    // PyTorch draws the three as one [3 size, size] matrix where they fit into one, which narrows the range.
    const joined = keySize === size && valueSize === size;
    const init = xavierUniform(joined ? Math.SQRT1_2 : 1);
    this.queryProjection = linear(size, init);
    this.keyProjection = linear(keySize, init);
    this.valueProjection = linear(valueSize, init);
    this.outputProjection = linear(size);
    this.#causal = causal;
  }

  /**
   * @param key default: the query (self-attention)
   * @param value default: the key
   * @param mask broadcasts to [N, heads, Lq, Lk]: u8, where 0 hides a key from a query, or f32, added to the scores
   * @throws GanvasError ERR_SHAPE where shapes do not fit
   */
  forward(query: Tensor, key: Tensor = query, value: Tensor = key, mask?: Tensor): Tensor {
    const { heads, size } = this;
    for (const [name, x] of Object.entries({ query, key, value })) {
      if (x.rank === 3) continue;
      throw new GanvasError(
        'ERR_SHAPE',
        `MultiHeadAttention: expected ${name} of shape [N, L, features], got [${x.shape}]`,
      );
    }
    const split = (x: Tensor) =>
      transpose(reshape(x, [x.shape[0], x.shape[1], heads, size / heads]), [0, 2, 1, 3]);
    const q = split(this.queryProjection.forward(query));
    const k = split(this.keyProjection.forward(key));
    const v = split(this.valueProjection.forward(value));
    const seen = scaledDotProductAttention(q, k, v, { causal: this.#causal, mask });
    const joined = reshape(transpose(seen, [0, 2, 1, 3]), [query.shape[0], query.shape[1], size]);
    return this.outputProjection.forward(joined);
  }
}
