// Generators and discriminators to build models from, as one namespace.

export { biganEncoder, biganGenerator, JointDiscriminator } from './bigan.js';
export { BigganGenerator, type BigganGeneratorOptions, bigganDiscriminator } from './biggan.js';
export { type Code, RecognisingDiscriminator } from './codes.js';
export {
  ClassifyingDiscriminator,
  LabelledGenerator,
  LabelledPerceptronDiscriminator,
} from './conditional.js';
export { type DcganDiscriminatorOptions, dcganDiscriminator, dcganGenerator } from './dcgan.js';
export type { ImageDims } from './dims.js';
export { Discriminator, PlainDiscriminator, type PlainDiscriminatorOptions } from './discriminator.js';
export {
  LapganDiscriminator,
  LapganGenerator,
  type LapganOptions,
  laplacianPyramid,
  reconstruct,
} from './lapgan.js';
export {
  type PerceptronDiscriminatorOptions,
  type PerceptronGeneratorOptions,
  perceptronDiscriminator,
  perceptronGenerator,
} from './perceptron.js';
export { Growth, ProgressiveDiscriminator, ProgressiveGenerator } from './progressive.js';
export { R3ganDiscriminator, R3ganGenerator, type R3ganOptions } from './r3gan.js';
export {
  ResidualDiscriminator,
  type ResidualDiscriminatorOptions,
  ResidualGenerator,
  type ResidualGeneratorOptions,
  residualDiscriminator,
  residualGenerator,
} from './residual.js';
export { SganDiscriminator, sganGenerator } from './sgan.js';
export type { StyleGenerator } from './style-mapping.js';
export { StyleGAN2Discriminator, type StyleGAN2DiscriminatorOptions } from './stylegan2-discriminator.js';
export { StyleGAN2Generator, type StyleGAN2GeneratorOptions } from './stylegan2-generator.js';
export { GaussianEncoder, type Posterior } from './vaegan.js';
