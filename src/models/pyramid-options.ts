// The options that StyleGAN2 and progressive growing share: sizes of latents and layers, with defaults that a
// laptop can train. The papers' are 512 for latents and the widest layers.

export const pyramidFields = {
  zSize: { type: 'integer', default: 128, min: 1, max: 65536, help: 'numbers in a latent' },
  baseWidth: {
    type: 'integer',
    default: 16,
    min: 1,
    max: 4096,
    help: 'channels of the layer nearest to the image; doubles with each halving, up to maxWidth',
  },
  maxWidth: { type: 'integer', default: 512, min: 1, max: 16384, help: 'the most channels of a layer' },
} as const;
