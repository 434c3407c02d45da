// Augmentation of what the discriminator sees, as one namespace.

export { AdaptiveAugment, type AdaptiveAugmentOptions, type AdaptivePolicy } from './ada.js';
export { type DiffAugmentOptions, diffAugment } from './diffaugment.js';
