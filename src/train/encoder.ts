// What the networks of a trained run read in images: the latents that an encoder finds (VAE/GAN, BiGAN), and
// the classes that a semi-supervised discriminator names. The other way round, from latents to images, is
// generator.ts.

import { type DeviceName, device as selectDevice } from '../device.js';
import { GanvasError } from '../errors.js';
import { joined } from '../latents/paths.js';
import { SganDiscriminator } from '../networks/sgan.js';
import { Module } from '../nn/module.js';
import { noGrad } from '../tensor/autograd.js';
import { tensor } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { toUnitRange } from './batches.js';
import { inParts } from './generate.js';
import { loadNetwork, openRun, type SavedRun } from './saved-run.js';

/** A trained encoder. */
export interface Encoder {
  /** Numbers in a latent. */
  readonly zSize: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /**
   * n · zSize numbers: of each image the latent that the run's generator makes its reconstruction of. Of
   * VAE/GAN the mean of q(z | x).
   * @param pixels u8 [n, height, width, channels]
   * @throws GanvasError ERR_SHAPE unless these are n images
   */
  encode(pixels: Uint8Array, n: number): Promise<Float32Array>;
  /** Frees the weights. */
  dispose(): void;
}

/** A discriminator that names classes. */
export interface Labeller {
  /** How many classes it knows. */
  readonly classes: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /**
   * The most probable class of each image.
   * @param pixels u8 [n, height, width, channels]
   * @throws GanvasError ERR_SHAPE unless these are n images
   */
  classify(pixels: Uint8Array, n: number): Promise<Int32Array>;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * Runs a network on pixels, some images at a time. Throws ERR_SHAPE unless there are n images of the run's
 * size.
 */
function read<T extends Float32Array | Int32Array>(
  { dims: { height, width, channels } }: SavedRun,
  pixels: Uint8Array,
  n: number,
  network: (images: Tensor) => Tensor,
): Promise<T[]> {
  const size = height * width * channels;
  if (!Number.isSafeInteger(n) || n < 1 || pixels.length !== n * size) {
    throw new GanvasError(
      'ERR_SHAPE',
      `expected ${n} images of ${height} x ${width} x ${channels} bytes, got ${pixels.length} bytes`,
    );
  }
  return inParts<T>(n, (start, count) => {
    const bytes = pixels.subarray(start * size, (start + count) * size);
    return noGrad(() => network(toUnitRange(tensor(bytes, [count, height, width, channels]))));
  });
}

interface LoadOptions {
  /** 'auto' (default), 'cpu' or 'cuda'. */
  device?: string;
}

/**
 * The encoder of a run's latest checkpoint, for reconstructions with the generator of the same run.
 *
 *     const encoder = await loadEncoder('runs/vaegan-mnist-001');
 *     const generator = await loadGenerator('runs/vaegan-mnist-001');
 *     const again = await generator.generate(await encoder.encode(pixels, 16), 16);
 *
 * @throws GanvasError ERR_CONFIG where the run's model has no encoder or its options are unknown,
 *   ERR_FILE_IO, ERR_CHECKPOINT or ERR_FILE_FORMAT when the run cannot be read, ERR_CUDA_UNAVAILABLE
 */
export async function loadEncoder(
  runDirectory: string,
  { device = 'auto' }: LoadOptions = {},
): Promise<Encoder> {
  selectDevice(device as DeviceName);
  const run = await openRun(runDirectory);
  const { network, built } = await loadNetwork(run, 'encoder');
  if (!(network instanceof Module)) {
    throw new GanvasError(
      'ERR_CONFIG',
      `${runDirectory}: expected the run of a model with an encoder, such as vaegan or bigan, ` +
        `got ${run.entry.name}`,
    );
  }
  const { height, width, channels } = run.dims;
  return {
    zSize: built.latent.size,
    height,
    width,
    channels,
    encode: async (pixels, n) =>
      joined(await read<Float32Array>(run, pixels, n, (images) => network.forward(images) as Tensor)),
    dispose: () => network.dispose(),
  };
}

/**
 * The semi-supervised discriminator of a run's latest checkpoint.
 *
 *     const labeller = await loadLabeller('runs/sgan-mnist-001');
 *     const classes = await labeller.classify(pixels, 100);
 *
 * @throws GanvasError ERR_CONFIG where the run's model is another or its options are unknown, ERR_FILE_IO,
 *   ERR_CHECKPOINT or ERR_FILE_FORMAT when the run cannot be read, ERR_CUDA_UNAVAILABLE
 */
export async function loadLabeller(
  runDirectory: string,
  { device = 'auto' }: LoadOptions = {},
): Promise<Labeller> {
  selectDevice(device as DeviceName);
  const run = await openRun(runDirectory);
  const { network } = await loadNetwork(run, 'discriminator');
  if (!(network instanceof SganDiscriminator)) {
    network?.dispose();
    throw new GanvasError(
      'ERR_CONFIG',
      `${runDirectory}: expected a run of the semi-supervised model, sgan, got ${run.entry.name}`,
    );
  }
  const { height, width, channels } = run.dims;
  return {
    classes: network.classes,
    height,
    width,
    channels,
    classify: async (pixels, n) =>
      Int32Array.from(
        (await read<Int32Array>(run, pixels, n, (images) => network.classify(images))).flatMap((part) => [
          ...part,
        ]),
      ),
    dispose: () => network.dispose(),
  };
}
