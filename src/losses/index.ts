// The losses, as one namespace.

export * from './adversarial.js';
export * from './gradient-penalty.js';
export * from './supervised.js';
