// The losses, as one namespace.

export * from './adversarial.js';
export * from './divergence.js';
export * from './gradient-penalty.js';
export * from './image.js';
export type { Reduction, ReductionOptions } from './reduction.js';
export {
  flipLabels,
  HistoricalAverage,
  LeCam,
  type LeCamOptions,
  type OrthogonalOptions,
  orthogonalRegularisation,
} from './regularisers.js';
export * from './supervised.js';
