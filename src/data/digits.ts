// Small grey labelled images (MNIST and its relatives) as a data set of any size and 1, 3 or 4 channels.
// Growing by at most four pixels (28 to 32) pads with zeros, which keeps the strokes as they are; anything
// else is resized by sharp.

import { loadSharp } from '../io/sharp.js';
import { type Dataset, type DatasetOptions, resolveImageShape } from './dataset.js';
import { decodedDataset } from './decoded.js';
import type { LabelledDigits } from './idx.js';
import { memoryDataset } from './memory.js';
import { expandGrey, padGrey } from './pixels.js';

const mostPadding = 4;

/** Throws ERR_ARGUMENT for an absurd size or channel count. */
export function digitsDataset(
  digits: LabelledDigits,
  named: { name: string; classes: readonly string[] },
  options: DatasetOptions = {},
): Dataset {
  const { images, height: h, width: w, labels } = digits;
  const { flip, cacheBytes } = options;
  const { height, width, channels } = resolveImageShape(
    options,
    { height: h, width: w, channels: 1 },
    named.name,
  );
  const shared = { ...named, height, width, channels, labels, flip };
  const padded = [height - h, width - w].every((more) => more >= 0 && more <= mostPadding);
  if (padded)
    return memoryDataset({ ...shared, images: expandGrey(padGrey(images, h, w, height, width), channels) });
  return decodedDataset({
    ...shared,
    length: labels.length,
    cacheBytes,
    describe: (index) => `image ${index} of ${named.name}`,
    async decode(index) {
      const image = images.subarray(index * h * w, (index + 1) * h * w);
      const sharp = await loadSharp(`resizing ${named.name} to ${height} x ${width}`);
      const resized = await sharp(image, { raw: { width: w, height: h, channels: 1 } })
        .resize(width, height, { fit: 'fill' })
        .toColourspace('b-w')
        .raw()
        .toBuffer();
      return expandGrey(resized, channels);
    },
  });
}
