// The monitor on made-up runs: each kind of trouble is reported once, when it has lasted, and again only after it has
// passed; a healthy run is left in peace.

import { describe, expect, test } from 'vitest';
import { type MonitorWarning, pairwiseDiversity, TrainingMonitor } from '../../src/train/monitor.js';

const code = (c: string) => expect.objectContaining({ code: c });
const healthy = { lossD: 1.1, lossG: 1.2, scoreReal: 0.6, scoreFake: 0.4, gradNormD: 2, gradNormG: 1 };
const sure = { ...healthy, lossD: 0.001, lossG: 9, scoreReal: 0.9995, scoreFake: 0.0005 };
const even = { ...healthy, lossD: 1.386, lossG: 0.69, scoreReal: 0.501, scoreFake: 0.499 };

/** Runs of [how many reports, values], and the warnings with the steps at which they came. */
function warningsOf(...runs: [number, Record<string, number>][]): (MonitorWarning & { step: number })[] {
  const monitor = new TrainingMonitor();
  let step = 0;
  return runs.flatMap(([count, values]) =>
    Array.from({ length: count }).flatMap(() => {
      step += 1;
      return monitor.observe(step, values).map((warning) => ({ step, ...warning }));
    }),
  );
}
const kindsOf = (...runs: [number, Record<string, number>][]) =>
  warningsOf(...runs).map(({ step, kind }) => [step, kind]);

test('a healthy run, with or without scores, has no warnings', () => {
  const monitor = new TrainingMonitor();
  for (let step = 1; step <= 2000; step++) {
    const swing = Math.sin(step / 7);
    const values = {
      lossD: 1.1 + 0.5 * swing,
      lossG: 1.2 - 0.5 * swing,
      scoreReal: 0.6 + 0.2 * swing,
      scoreFake: 0.4 - 0.2 * swing,
      gradNormD: 3 + 2 * swing,
      ...(step % 100 === 0 ? { diversity: 0.8 + 0.1 * swing } : {}),
    };
    expect(monitor.observe(step, values)).toEqual([]);
    expect(monitor.observe(step, { lossD: -30 * swing, distance: 30 * swing })).toEqual([]);
  }
});

test('says what was seen, what it means and what to try', () => {
  const [{ message }] = warningsOf([100, sure]);
  expect(message).toMatch(/^step 100: for 100 steps D has told nearly all images apart/);
  expect(message).toContain('real images 1 and generated ones 0.0005');
  for (const option of [
    '--lr-discriminator',
    '--d-steps',
    '--label-smoothing',
    '--instance-noise',
    '--penalty r1',
  ])
    expect(message).toContain(option);
  const [{ message: collapse }] = warningsOf([2, { diversity: 0.123 }]);
  expect(collapse).toContain('by 12.3 %');
  expect(collapse).toContain('mode collapse');
  const [{ message: exploded }] = warningsOf([20, { gradNormD: 0.2 }], [1, { gradNormD: 50 }]);
  expect(exploded).toContain('in phase D is 50, 250 times');
});

describe('a discriminator that is too strong', () => {
  test('is reported after 100 steps, once, and again after it has recovered', () => {
    expect(kindsOf([99, sure])).toEqual([]);
    expect(kindsOf([500, sure])).toEqual([[100, 'discriminatorTooStrong']]);
    // A few good steps are no recovery.
    expect(kindsOf([100, sure], [99, healthy], [300, sure])).toHaveLength(1);
    expect(kindsOf([100, sure], [100, healthy], [100, sure])).toEqual([
      [100, 'discriminatorTooStrong'],
      [300, 'discriminatorTooStrong'],
    ]);
    expect(kindsOf([99, sure], [1, healthy], [99, sure])).toEqual([]);
  });

  test('is seen behind a penalty, and not where the loss is no probability', () => {
    expect(kindsOf([100, { ...sure, lossD: 0.5 }])).toHaveLength(1);
    expect(kindsOf([100, { ...healthy, lossD: 0.019 }])).toHaveLength(1);
    expect(kindsOf([500, { lossD: -40, lossG: 3, distance: 40 }])).toEqual([]);
  });
});

test('a discriminator that learns nothing', () => {
  expect(kindsOf([199, even])).toEqual([]);
  expect(kindsOf([900, even])).toEqual([[200, 'discriminatorLearnsNothing']]);
  expect(kindsOf([900, { ...even, scoreReal: 0.52 }])).toEqual([]);
});

describe('gradients that explode', () => {
  test('beyond 100, once until they have been calm for ten reports', () => {
    const burst = { gradNormD: 101 };
    const calm = { gradNormD: 90 };
    expect(kindsOf([1, burst], [30, burst])).toEqual([[1, 'gradientExplodes']]);
    expect(kindsOf([1, burst], [9, calm], [1, burst])).toHaveLength(1);
    expect(kindsOf([1, burst], [10, calm], [1, burst])).toHaveLength(2);
  });

  test('or by a hundred times over what is usual, for each phase by itself', () => {
    const usual = { gradNormD: 0.01, gradNormG: 0.5 };
    expect(kindsOf([9, usual], [1, { gradNormD: 1.1 }])).toEqual([]);
    expect(kindsOf([10, usual], [1, { gradNormD: 1.1, gradNormG: 1.1 }])).toEqual([[11, 'gradientExplodes']]);
    expect(kindsOf([10, usual], [1, { gradNormD: 0.99 }])).toEqual([]);
    expect(kindsOf([1, { gradNormD: 500, gradNormG: 500 }])).toHaveLength(2);
    // Reports without norms in between change nothing.
    expect(kindsOf([10, usual], [1000, { lossD: 1 }], [1, { gradNormD: 1.1 }])).toHaveLength(1);
  });
});

test('mode collapse, at the second low measurement and again after a good one', () => {
  const [low, high] = [{ diversity: 0.29 }, { diversity: 0.3 }];
  expect(kindsOf([1, low], [500, healthy], [1, high], [1, low])).toEqual([]);
  expect(kindsOf([1, low], [500, healthy], [3, low], [1, high], [2, low])).toEqual([
    [502, 'modeCollapse'],
    [507, 'modeCollapse'],
  ]);
});

test('numbers that are not finite, all of them in one warning', () => {
  const lost = { ...healthy, scoreFake: Number.NaN, gradNormG: Number.POSITIVE_INFINITY };
  const warnings = warningsOf([3, healthy], [5, lost], [1, healthy], [1, lost]);
  expect(warnings.map(({ step, kind }) => [step, kind])).toEqual([
    [4, 'notFinite'],
    [10, 'notFinite'],
  ]);
  expect(warnings[0].message).toContain('scoreFake became NaN, gradNormG became Infinity');
});

describe('pairwiseDiversity', () => {
  test('is the mean distance over all pairs', () => {
    // Distances 5, 10 and 5.
    expect(pairwiseDiversity(Uint8Array.of(0, 0, 3, 4, 6, 8), 3)).toBeCloseTo(20 / 3, 12);
    expect(pairwiseDiversity(Uint8Array.of(255, 0), 2)).toBe(255);
    expect(pairwiseDiversity(new Uint8Array(50).fill(7), 10)).toBe(0);
  });

  test('looks at no more than 64 images', () => {
    const pixels = Uint8Array.from({ length: 100 }, (_, i) => (i < 64 ? 10 : 200));
    expect(pairwiseDiversity(pixels, 100)).toBe(0);
    expect(pairwiseDiversity(pixels.subarray(0, 65), 65)).toBe(0);
    expect(pairwiseDiversity(pixels.subarray(36), 64)).toBeGreaterThan(0);
  });

  test('needs two images, of one size', () => {
    for (const [length, count] of [
      [4, 1],
      [4, 0],
      [7, 2],
      [0, 2],
      [4, 1.5],
      [4, Number.NaN],
    ])
      expect(() => pairwiseDiversity(new Uint8Array(length), count)).toThrow(code('ERR_ARGUMENT'));
  });
});
