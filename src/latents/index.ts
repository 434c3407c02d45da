// What can be done with the latents of a trained generator, as one namespace.

export { analogy, meanVector, neighbours } from './arithmetic.js';
export { type ClassKnowledge, classNumber, everyClass, type Labels, oneHotLabels } from './labels.js';
export { interpolationPath, joined, lerp, type PathOptions, slerp } from './paths.js';
export {
  type ProjectionOptions,
  type ProjectionProblem,
  type ProjectionStep,
  projectImage,
  psnr,
} from './projection.js';
export { type LatentSpace, latentSpace, type SpaceName, spaceNames } from './space.js';
export { layerGroups, layerRange, mixStyles } from './styles.js';
export { evenly, traversal } from './traversal.js';
