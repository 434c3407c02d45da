// The options of a run: what may change when it is continued, and how long it lasts.

import { describe, expect, test } from 'vitest';
import {
  configHash,
  resumedConfig,
  type TrainingConfig,
  totalSteps,
  trainingConfig,
} from '../../src/train/config.js';

const defaults = trainingConfig.resolve({});

describe('continuing', () => {
  test('takes harmless differences', () => {
    const config = resumedConfig(defaults, { steps: 10, saveEvery: 3, lr: defaults.lr, batch: undefined });
    expect(config).toMatchObject({ steps: 10, saveEvery: 3, batch: 64 });
  });

  test('refuses what would change the result, and says what it was', () => {
    expect(() => resumedConfig(defaults, { lr: 0.1 })).toThrow(/lr 0.1: the run was started with 0.0002/);
    expect(() => resumedConfig(defaults, { seed: 4 })).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG' }),
    );
  });

  test('lets new epochs override steps', () => {
    expect(resumedConfig({ ...defaults, steps: 100 }, { epochs: 3 })).toMatchObject({
      steps: null,
      epochs: 3,
    });
    expect(resumedConfig({ ...defaults, steps: 100 }, { epochs: 3, steps: 7 })).toMatchObject({ steps: 7 });
  });
});

test('the fingerprint sees what matters and nothing else', () => {
  const hash = configHash('gan', defaults);
  expect(configHash('gan', { ...defaults, steps: 5, sampleEvery: 1 })).toBe(hash);
  expect(configHash('gan', Object.fromEntries(Object.entries(defaults).reverse()))).toBe(hash);
  expect(configHash('gan', { ...defaults, seed: 5 })).not.toBe(hash);
  expect(configHash('dcgan', defaults)).not.toBe(hash);
});

test.each([
  [{ steps: 7 }, 7],
  [{ epochs: 2 }, 20],
  [{ epochs: 0.5 }, 5],
  [{ epochs: 2, dSteps: 5 }, 4],
  [{ epochs: 0 }, 1],
])('%j over ten batches are %i steps', (given, steps) => {
  expect(totalSteps({ ...defaults, ...given } as TrainingConfig, 10)).toBe(steps);
});
