// A data set whose images are made on demand by an asynchronous `decode` (sharp, on its own threads) and kept
// once decoded while they all fit into a limit. An image that turns out to be broken is replaced by the next
// good one of its class, always the same one, so that a resumed run sees what the interrupted one would have
// seen.

import { setImmediate } from 'node:timers/promises';
import { GanvasError } from '../errors.js';
import type { Dataset, SkippedImage } from './dataset.js';
import { checkIndex } from './memory.js';
import { copyImage } from './pixels.js';

const defaultCacheBytes = 2 ** 30;
const bytesPerTurn = 1 << 20;

export interface DecodedDatasetOptions
  extends Pick<Dataset, 'name' | 'length' | 'height' | 'width' | 'channels'> {
  labels?: Uint8Array | Int32Array;
  classes?: readonly string[];
  names?: readonly string[];
  /** Image `index` as u8 [height, width, channels]; a rejection means that it cannot be read. */
  decode: (index: number) => Promise<Uint8Array>;
  /** What to call image `index` in messages. */
  describe: (index: number) => string;
  /** Images found broken before; this data set appends to it. */
  skipped?: SkippedImage[];
  flip?: boolean;
  cacheBytes?: number;
  onWarning?: (message: string) => void;
}

/**
 * @throws GanvasError from `batch`: ERR_INDEX for a number out of range, ERR_DATA when no image of a class
 * can be read, ERR_PACKAGE_MISSING when sharp is absent
 */
export function decodedDataset(options: DecodedDatasetOptions): Dataset {
  const { name, length, height, width, channels, labels, classes, names, decode, describe } = options;
  const { skipped = [], flip = false, cacheBytes = defaultCacheBytes, onWarning } = options;
  const imageBytes = height * width * channels;
  const cached = length * imageBytes <= cacheBytes ? new Array<Uint8Array | undefined>(length) : undefined;
  const broken = new Set<number>();

  async function decodeOrUndefined(index: number): Promise<Uint8Array | undefined> {
    const known = cached?.[index];
    if (known !== undefined || broken.has(index)) return known;
    try {
      const image = await decode(index);
      if (cached !== undefined) cached[index] = image;
      return image;
    } catch (error) {
      // Not the image's fault: without sharp none can be read.
      if ((error as GanvasError).code === 'ERR_PACKAGE_MISSING') throw error;
      // Batches are decoded side by side: another one may have met the same image meanwhile.
      if (!broken.has(index)) {
        broken.add(index);
        const reason = (error as Error).message.split('\n')[0];
        skipped.push({ path: describe(index), reason });
        onWarning?.(`skipped an unreadable image (${skipped.length} so far): ${describe(index)}: ${reason}`);
      }
      return undefined;
    }
  }

  async function readable(index: number): Promise<Uint8Array> {
    for (let step = 0; step < length; step++) {
      const candidate = (index + step) % length;
      if (labels !== undefined && labels[candidate] !== labels[index]) continue;
      const image = await decodeOrUndefined(candidate);
      if (image !== undefined) return image;
    }
    const kind =
      labels === undefined ? 'image' : `image of class "${classes?.[labels[index]] ?? labels[index]}"`;
    throw new GanvasError('ERR_DATA', `${name}: no ${kind} can be read; the first one is ${describe(index)}`);
  }

  return {
    name,
    length,
    height,
    width,
    channels,
    labels,
    classes,
    names,
    skipped,
    async batch(indices, random, target) {
      for (const index of indices) checkIndex(name, index, length);
      // Drawn before anything is awaited: batches prefetched side by side must not share or reorder
      // randomness.
      const mirrored = Array.from(indices, () => flip && random.uniform() < 0.5);
      const images = await Promise.all(Array.from(indices, readable));
      const result = target ?? new Uint8Array(indices.length * imageBytes);
      let sinceTurn = 0;
      for (let i = 0; i < images.length; i++) {
        copyImage(images[i], result, i * imageBytes, width, channels, mirrored[i]);
        sinceTurn += imageBytes;
        if (sinceTurn > bytesPerTurn) {
          sinceTurn = 0;
          await setImmediate();
        }
      }
      return result;
    },
  };
}
