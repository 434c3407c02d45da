// Style mixing (Karras et al. 2019, section 3.1 and figure 3): images with some layers' styles from another
// one, on plain arrays of styles as a generator's map() makes them.

import { GanvasError } from '../errors.js';

/** Thirds of the layers, from the ones that decide on pose and shape to those of colours and strokes. */
export const layerGroups = ['coarse', 'middle', 'fine'] as const;

/**
 * The numbers of the layers that a text names: `coarse`, `middle` or `fine` (a third of them each), one
 * number or a range `0-3`, both ends included. The paper's groups are by size (4 and 8 pixels, 16 and 32, the
 * rest); small images have not as many sizes, so here they are thirds.
 * @throws GanvasError ERR_CONFIG for anything else
 */
export function layerRange(text: string, layers: number): { from: number; until: number } {
  const group = layerGroups.indexOf(text as (typeof layerGroups)[number]);
  if (group >= 0) {
    const [from, until] = [group, group + 1].map((third) => Math.round((third * layers) / 3));
    if (from < until) return { from, until };
    throw new GanvasError(
      'ERR_CONFIG',
      `${layers} layers are too few to have ${text} ones; name them by number`,
    );
  }
  const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(text);
  const from = Number(match?.[1]);
  const until = Number(match?.[2] ?? match?.[1]) + 1;
  if (from < until && until <= layers) return { from, until };
  const known = `coarse, middle, fine, or numbers from 0 to ${layers - 1}`;
  const example = `0-${Math.min(3, layers - 1)}`;
  throw new GanvasError('ERR_CONFIG', `expected layers as ${known} such as ${example}, got "${text}"`);
}

/**
 * The styles of one image with those of some layers taken from another.
 * @param base [layers, wSize], one after the other
 * @param other of the same shape
 * @param layers how many layers there are
 * @param taken which of them come from `other`, from `from` until before `until`
 * @throws GanvasError ERR_SHAPE unless both have these layers
 */
export function mixStyles(
  base: Float32Array,
  other: Float32Array,
  layers: number,
  { from, until }: { from: number; until: number },
): Float32Array {
  const wSize = base.length / layers;
  if (other.length !== base.length || !Number.isSafeInteger(wSize)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `mixStyles: expected styles of ${layers} layers twice, got ${base.length} and ${other.length} numbers`,
    );
  }
  const mixed = Float32Array.from(base);
  mixed.set(other.subarray(from * wSize, until * wSize), from * wSize);
  return mixed;
}
