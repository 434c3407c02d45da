// A trained generator, from its run directory: what it can do, and how to get one. How it is done is
// trained-generator.ts; what is made of latents before they become images (paths, sums, mixing) is
// src/latents.

import { type DeviceName, device as selectDevice } from '../device.js';
import type { Labels } from '../latents/labels.js';
import type { ProjectionOptions } from '../latents/projection.js';
import type { SpaceName } from '../latents/space.js';
import type { Code } from '../models/model.js';
import { openRun } from './saved-run.js';
import { TrainedGenerator } from './trained-generator.js';

export interface SampleOptions {
  /** Same seed, same images; a list has a seed for each image. Default 0. */
  seed?: number | readonly number[];
  /** Default: every class in turn. */
  labels?: Labels;
  /** Fewer kinds of images, and better ones; see Generator.latents and Generator.map. Default: none. */
  truncation?: number;
}

export interface ProjectOptions extends ProjectionOptions {
  /** Default: w for generators with styles, else z. */
  space?: SpaceName;
  /** Class of the image, for a generator with classes. Default 0. */
  label?: number;
}

/** Where a projection ended. */
export interface Projection {
  space: SpaceName;
  /** A latent of zSize numbers, or styles of layers · wSize: what generate or synthesize takes. */
  point: Float32Array;
  /** u8 [height, width, channels], of the point. */
  pixels: Uint8Array;
  /** u8 [height, width, channels], of the point it began at. */
  startPixels: Uint8Array;
  /** Peak signal-to-noise ratio of the two against the image, in dB. */
  psnr: { start: number; end: number };
}

/** A trained generator. */
export interface Generator {
  /** Numbers in a latent. */
  readonly zSize: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** How many classes it makes images of; undefined if it knows none. */
  readonly classes?: number;
  /** Names of the classes, if the run has them. */
  readonly classNames?: readonly string[];
  /** The coordinates of a latent that have a meaning each, where some have (InfoGAN). */
  readonly codes?: readonly Code[];
  /**
   * Of generators with styles between latents and images (StyleGAN): how many an image takes, and numbers in
   * one.
   */
  readonly styles?: { readonly layers: number; readonly wSize: number };

  /**
   * n · zSize numbers, as the generator was trained with: mostly N(0, I). Same seed, same numbers; a list of
   * seeds names each latent by a seed of its own.
   *
   * `truncation`: the truncation trick of BigGAN (Brock et al. 2019, section 3.1): numbers from N(0, 1)
   * beyond ±truncation are drawn anew. The paper goes from 2 (nearly all) down to 0.04.
   * @throws GanvasError ERR_ARGUMENT for an absurd count, seed or threshold, ERR_CONFIG for a truncation of
   *   latents that are not normal
   */
  latents(
    n: number,
    seed: number | readonly number[],
    options?: { truncation?: number },
  ): Promise<Float32Array>;

  /**
   * Pixels u8 [n, height, width, channels].
   * @param labels classes of the images, for a generator with classes; default 0, 1, 2, ... in turn
   * @throws GanvasError ERR_SHAPE unless z holds n latents, ERR_ARGUMENT unless labels fit
   */
  generate(z: Float32Array, n: number, labels?: Labels): Promise<Uint8Array>;

  /**
   * Styles of latents, n · layers · wSize numbers.
   *
   * `truncation`: w̄ + ψ (w - w̄), ψ from 0 (the average image, w̄) to 1 (none), the truncation trick of
   * StyleGAN (Karras et al. 2019, appendix B).
   * @throws GanvasError ERR_CONFIG without styles, ERR_SHAPE unless z holds n latents, ERR_ARGUMENT unless
   *   labels and truncation fit
   */
  map(z: Float32Array, n: number, options?: { labels?: Labels; truncation?: number }): Promise<Float32Array>;

  /**
   * Pixels u8 [n, height, width, channels] of styles, which may differ from layer to layer.
   * @throws GanvasError ERR_CONFIG without styles, ERR_SHAPE unless w holds n times layers · wSize numbers
   */
  synthesize(w: Float32Array, n: number): Promise<Uint8Array>;

  /**
   * Pixels u8 [n, height, width, channels] of random latents, truncated in the way of the generator: in w
   * where it has styles (0 to 1), else in z.
   * @throws GanvasError as latents, generate and map
   */
  sample(n: number, options?: SampleOptions): Promise<Uint8Array>;

  /**
   * Replaces the running statistics of the batch norms, until dispose(), by the average over `passes` batches
   * of 64 (BigGAN's standing statistics, Brock et al. 2019), with latents as they will be sampled.
   * @throws GanvasError ERR_CONFIG where there is no batch norm, ERR_ARGUMENT for impossible passes; see also
   *   latents
   */
  standingStatistics(passes: number, options?: { seed?: number; truncation?: number }): Promise<void>;

  /**
   * Finds the point whose image comes nearest to one; see projectImage.
   * @param pixels u8 [height, width, channels]
   * @throws GanvasError ERR_SHAPE unless it is one image of the generator's size, ERR_ARGUMENT for impossible
   *   options, ERR_CONFIG for features where the run has no discriminator with features
   */
  project(pixels: Uint8Array, options?: ProjectOptions): Promise<Projection>;

  /**
   * What the last layer of the run's discriminator sees in images: f32 [n, F], one after the other. Made for
   * other ends, it also tells images apart (Radford et al. 2016, section 5.1).
   * @param pixels u8 [n, height, width, channels]
   * @throws GanvasError ERR_SHAPE unless these are n images, ERR_CONFIG where the run has no discriminator
   *   with features
   */
  features(pixels: Uint8Array, n: number): Promise<Float32Array>;

  /** Frees the weights. */
  dispose(): void;
}

/**
 * The generator of a run's latest checkpoint, with its averaged weights if it has them.
 *
 *     const generator = await loadGenerator('runs/dcgan-mnist-001');
 *     const pixels = await generator.sample(16, { seed: 1 });
 *
 * @throws GanvasError ERR_FILE_IO, ERR_CHECKPOINT or ERR_FILE_FORMAT when the run cannot be read, ERR_CONFIG,
 *   ERR_CUDA_UNAVAILABLE
 */
export async function loadGenerator(
  runDirectory: string,
  { device = 'auto' }: { device?: string } = {},
): Promise<Generator> {
  selectDevice(device as DeviceName);
  return TrainedGenerator.load(await openRun(runDirectory));
}
