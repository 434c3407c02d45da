// Finding a model by name, and the options it has.

import { expect, test } from 'vitest';
import { modelConfig, modelEntry, models } from '../../src/models/registry.js';

test('every model is listed under its own name', () => {
  for (const [key, { name, summary }] of Object.entries(models)) {
    expect(name).toBe(key);
    expect(summary).not.toBe('');
  }
});

test('a model has the options of all training and its own', () => {
  const config = modelConfig('dcgan').resolve({ baseWidth: 32 });
  expect(config).toMatchObject({ baseWidth: 32, batch: 64, lr: 2e-4, beta1: 0.5, zSize: 100 });
});

test('a mistyped model is named with the nearest known one', () => {
  expect(() => modelEntry('dgcan')).toThrow(/unknown model "dgcan"; did you mean "dcgan"\?/);
  expect(() => modelEntry('constructor')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
});
