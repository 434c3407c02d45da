// What a run prints: plain lines at intervals, or a bar on a terminal.

import { describe, expect, test } from 'vitest';
import { duration, TrainProgress } from '../../src/cli/progress.js';
import type { TrainEvent } from '../../src/train/run.js';
import { recorder } from './stand-ins.js';

const start: TrainEvent = {
  type: 'start',
  runDirectory: 'runs/a',
  model: 'gan',
  step: 0,
  steps: 100,
  parameters: 1,
};
const step = (n: number): TrainEvent => {
  return {
    type: 'step',
    step: n,
    steps: 100,
    imagesPerSecond: 1234.5,
    losses: { lossD: 0.51234, lossG: 1.5 },
  };
};

test.each([
  [0, '0s'],
  [59.4, '59s'],
  [59.6, '1m00s'],
  [200, '3m20s'],
  [7500, '2h05m'],
  [Number.NaN, '?'],
  [Number.POSITIVE_INFINITY, '?'],
  [-5, '0s'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

describe('without a terminal', () => {
  test('one line an interval, and the last step', () => {
    const out = recorder();
    let now = 0;
    const progress = new TrainProgress(out, { lineInterval: 10_000, now: () => now });
    progress.event(start);
    for (let n = 1; n <= 100; n++) {
      now = n * 500;
      progress.event(step(n));
    }
    progress.stop();
    const lines = out.text().trim().split('\n');
    expect(lines[0]).toBe('run directory: runs/a');
    expect(lines[1]).toBe('step 1/100  1235 images/s  ETA ?  lossD 0.512  lossG 1.50');
    expect(lines[2]).toBe('step 21/100  1235 images/s  ETA 40s  lossD 0.512  lossG 1.50');
    expect(lines.at(-1)).toMatch(/^step 100\/100 .* ETA 0s/);
    expect(lines).toHaveLength(7);
    expect(out.text()).not.toContain('\u001b');
  });

  test('files and warnings have lines of their own; NaN is shown', () => {
    const out = recorder();
    const progress = new TrainProgress(out);
    progress.event({ type: 'sample', step: 5, path: 'runs/a/samples/000005.png' });
    progress.event({ type: 'checkpoint', step: 5, path: 'runs/a/checkpoints/000005' });
    progress.event({ type: 'warning', message: 'skipped a.jpg' });
    progress.event({ type: 'step', step: 6, steps: 9, imagesPerSecond: 1, losses: { lossD: Number.NaN } });
    expect(out.text()).toBe(
      'step 5: samples in runs/a/samples/000005.png\nstep 5: checkpoint runs/a/checkpoints/000005\n' +
        'warning: skipped a.jpg\nstep 6/9  1.00 images/s  ETA ?  lossD NaN\n',
    );
  });
});

test('on a terminal, a bar with all of it, which ends cleanly', async () => {
  const out = recorder(true);
  const progress = new TrainProgress(out);
  progress.event(start);
  progress.event(step(1));
  progress.event(step(50));
  progress.event({ type: 'warning', message: 'skipped a.jpg' });
  await new Promise((resolve) => setTimeout(resolve, 250));
  progress.stop();
  progress.stop();
  const text = out.text();
  expect(text).toContain('run directory: runs/a');
  expect(text).toContain('█');
  expect(text).toMatch(/50\/100 1235 images\/s ETA \d+s lossD 0\.512 lossG 1\.50/);
  expect(text).toContain('warning: skipped a.jpg\n');
  expect(text.endsWith('\n')).toBe(true);
});
