// Adversarial examples, as one namespace.

export { type FgsmOptions, fgsm, type LogitFunction, type PgdOptions, pgd } from './attacks.js';
export {
  type AdversarialExample,
  measureRobustness,
  type Robustness,
  type RobustnessOptions,
} from './robustness.js';
export { type AdversarialTrainingOptions, adversarialTrainingLoss } from './training.js';
