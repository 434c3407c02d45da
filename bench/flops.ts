// Multiplications and additions that a training step cannot avoid, layer by layer, with direct convolution: what a
// share of the matrix-product floor is measured against. Normalisation, activations and optimisers are not counted.

/** Forward FLOPs of each layer of a network, first layer first. */
export type LayerFlops = readonly number[];

const linear = (batch: number, from: number, to: number) => 2 * batch * from * to;
const conv = (batch: number, out: number, kernel: number, from: number, to: number) =>
  2 * batch * out * out * kernel * kernel * from * to;

export function perceptron(batch: number, sizes: readonly number[]): LayerFlops {
  return sizes.slice(1).map((size, i) => linear(batch, sizes[i], size));
}

/** Sides of the images inside a DCGAN: halved, rounding down, while 3 pixels are left. */
function sides(size: number): number[] {
  const all = [size, size >> 1];
  while (all[all.length - 1] >> 1 >= 3) all.push(all[all.length - 1] >> 1);
  return all;
}

export function dcganDiscriminator(batch: number, size: number, channels: number, width: number): LayerFlops {
  const [, ...inner] = sides(size);
  const layers = inner.map((side, i) =>
    conv(batch, side, 4, i === 0 ? channels : width << (i - 1), width << i),
  );
  const last = inner[inner.length - 1];
  return [...layers, linear(batch, last * last * (width << (inner.length - 1)), 1)];
}

export function dcganGenerator(
  batch: number,
  size: number,
  channels: number,
  width: number,
  z: number,
): LayerFlops {
  // A transposed convolution multiplies as often as the convolution it transposes.
  const [last, ...down] = [...dcganDiscriminator(batch, size, channels, width)].reverse();
  return [last * z, ...down];
}

const total = (layers: LayerFlops) => layers.reduce((a, b) => a + b, 0);
// Weight gradients cost as much as the forward pass; so do input gradients, but nobody needs those of the first layer.
const backward = (layers: LayerFlops) => 2 * total(layers) - layers[0];

/** One step: fakes, D on real and fake with its gradients, G's gradients through D. */
export function adversarialStep(generator: LayerFlops, discriminator: LayerFlops): number {
  const fakes = total(generator);
  const d = 2 * (total(discriminator) + backward(discriminator));
  const g = total(generator) + backward(generator) + 2 * total(discriminator);
  return fakes + d + g;
}
