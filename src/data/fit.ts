// One picture, from a file or from memory, as u8 pixels of a wanted size and number of channels, through
// sharp. Digits are fitted in digits.ts, where padding must keep their strokes.

import type { Sharp } from 'sharp';

/**
 * The picture as u8 [height, width, channels]: scaled until it covers the size, then cut at its centre; EXIF
 * rotation is applied; deep and CMYK pictures become 8-bit sRGB. One and three channels lie over white; four
 * keep their alpha, not premultiplied, and wholly transparent pixels, whose colour nobody sees, are white.
 * @throws Error of sharp when the picture cannot be decoded
 */
export async function fitImage(
  image: Sharp,
  { height, width, channels }: { height: number; width: number; channels: 1 | 3 | 4 },
): Promise<Uint8Array> {
  const resized = image.autoOrient().resize(width, height, { fit: 'cover', position: 'centre' });
  const opaque = channels === 4 ? resized.ensureAlpha() : resized.flatten({ background: 'white' });
  const { data, info } = await opaque
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== channels)
    throw new Error(`decoded to ${info.channels} channels, expected ${channels}`);
  if (channels === 4) {
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 0) data.fill(255, i, i + 3);
  }
  return data;
}
