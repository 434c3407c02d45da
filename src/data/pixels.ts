// Small pixel operations on u8 images that are not worth a trip through sharp: mirroring, zero padding,
// replicating grey.

/** Copies one HWC image into `target` at `offset`, mirrored left to right if asked. */
export function copyImage(
  image: Uint8Array,
  target: Uint8Array,
  offset: number,
  width: number,
  channels: number,
  mirrored: boolean,
): void {
  if (!mirrored) {
    target.set(image, offset);
    return;
  }
  const rowBytes = width * channels;
  for (let row = 0; row < image.length; row += rowBytes) {
    for (let x = 0; x < width; x++) {
      const from = row + x * channels;
      const to = offset + row + (width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) target[to + c] = image[from + c];
    }
  }
}

/** Grey images [n, h, w, 1] centred in zeros, as [n, height, width, 1]; the target must not be smaller. */
export function padGrey(images: Uint8Array, h: number, w: number, height: number, width: number): Uint8Array {
  if (h === height && w === width) return images;
  const count = images.length / (h * w);
  const top = (height - h) >> 1;
  const left = (width - w) >> 1;
  const padded = new Uint8Array(count * height * width);
  for (let i = 0; i < count; i++) {
    for (let y = 0; y < h; y++) {
      const row = (i * h + y) * w;
      padded.set(images.subarray(row, row + w), (i * height + top + y) * width + left);
    }
  }
  return padded;
}

/** Grey images as 3 equal channels, or 4 with an opaque alpha; 1 returns them as they are. */
export function expandGrey(images: Uint8Array, channels: number): Uint8Array {
  if (channels === 1) return images;
  const expanded = new Uint8Array(images.length * channels).fill(255);
  for (let i = 0; i < images.length; i++) {
    for (let c = 0; c < 3; c++) expanded[i * channels + c] = images[i];
  }
  return expanded;
}
