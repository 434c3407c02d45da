// The two spaces that a generator can be explored in: its latents z, and for generators with styles w. What
// moves points about (paths, sums) does not care which.

import { GanvasError } from '../errors.js';
import type { Generator } from '../train/generator.js';
import type { Labels } from './labels.js';

export const spaceNames = ['z', 'w'] as const;
export type SpaceName = (typeof spaceNames)[number];

export const noStyles =
  'this generator has no styles w: only StyleGAN models have a mapping network, others have latents z alone';

export interface LatentSpace {
  readonly name: SpaceName;
  /** Points of the space, of n latents one after the other. */
  points(z: Float32Array, n: number, labels?: Labels): Promise<Float32Array>;
  /** Pixels u8 [n, height, width, channels] of n points. In w the classes are in the points already. */
  images(points: Float32Array, n: number, labels?: Labels): Promise<Uint8Array>;
}

/** A space of a generator. Throws ERR_CONFIG for w where the generator has no styles. */
export function latentSpace(generator: Generator, name: SpaceName = 'z'): LatentSpace {
  if (name === 'z') {
    return {
      name,
      points: async (z) => z,
      images: (points, n, labels) => generator.generate(points, n, labels),
    };
  }
  assertStyles(generator);
  return {
    name,
    points: (z, n, labels) => generator.map(z, n, { labels }),
    images: (points, n) => generator.synthesize(points, n),
  };
}

/** Throws ERR_CONFIG where a generator has no styles. */
export function assertStyles(generator: Generator): asserts generator is Generator & {
  styles: NonNullable<Generator['styles']>;
} {
  if (generator.styles) return;
  throw new GanvasError('ERR_CONFIG', noStyles);
}
