// Reads the codes of images with the discriminator of a trained run that has them (InfoGAN's Q). The other
// way round, from codes to images, is latents/traversal.ts.

import { type DeviceName, device as selectDevice } from '../device.js';
import { GanvasError } from '../errors.js';
import { joined } from '../latents/paths.js';
import { type Code, RecognisingDiscriminator } from '../networks/codes.js';
import { noGrad } from '../tensor/autograd.js';
import { tensor } from '../tensor/ops/index.js';
import { toUnitRange } from './batches.js';
import { inParts } from './generate.js';
import { loadNetwork, openRun } from './saved-run.js';

/** What a trained discriminator can tell of codes. */
export interface Recogniser {
  /** `start` counts in the latents of the generator, of which the codes are the end. */
  readonly codes: readonly Code[];
  /**
   * The codes of images, f32 [n, sum of the codes' sizes], one image after the other and in the order of
   * `codes`: the probabilities of the values of a categorical code, the mean of a continuous one.
   * @param pixels u8 [n, height, width, channels]
   * @throws GanvasError ERR_SHAPE unless these are n images of the run's size
   */
  recognise(pixels: Uint8Array, n: number): Promise<Float32Array>;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * The discriminator of a run's latest checkpoint.
 *
 *     const recogniser = await loadRecogniser('runs/infogan-mnist-001');
 *     const codes = await recogniser.recognise(pixels, 100);
 *
 * @throws GanvasError ERR_CONFIG where the run's model knows no codes or its options are unknown,
 * ERR_FILE_IO, ERR_CHECKPOINT or ERR_FILE_FORMAT when the run cannot be read, ERR_CUDA_UNAVAILABLE
 */
export async function loadRecogniser(
  runDirectory: string,
  { device = 'auto' }: { device?: string } = {},
): Promise<Recogniser> {
  selectDevice(device as DeviceName);
  const run = await openRun(runDirectory);
  const { network } = await loadNetwork(run, 'discriminator');
  if (!(network instanceof RecognisingDiscriminator)) {
    network?.dispose();
    throw new GanvasError(
      'ERR_CONFIG',
      `${runDirectory}: expected the run of a model with codes, such as infogan, got ${run.entry.name}`,
    );
  }
  const { height, width, channels } = run.dims;
  const size = height * width * channels;
  return {
    codes: network.codes,
    async recognise(pixels, n) {
      if (!Number.isSafeInteger(n) || n < 1 || pixels.length !== n * size) {
        throw new GanvasError(
          'ERR_SHAPE',
          `recognise: expected ${n} images of ${height} x ${width} x ${channels} bytes, got ${pixels.length} bytes`,
        );
      }
      const parts = await inParts<Float32Array>(n, (start, count) => {
        const bytes = pixels.subarray(start * size, (start + count) * size);
        return noGrad(() => network.infer(toUnitRange(tensor(bytes, [count, height, width, channels]))));
      });
      return joined(parts);
    },
    dispose: () => network.dispose(),
  };
}
