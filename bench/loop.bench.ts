// Is the event loop free while a DCGAN trains in the same process? Prints monitorEventLoopDelay's percentiles over a run
// of DCGAN-28 on the digits; the resolution of its own timer is part of every figure.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fixed, record } from './report.js';
import type { BenchOptions } from './run.js';
import { watchTraining } from './training.js';

export const question = 'Is the event loop free while a DCGAN trains in the same process?';

export async function run(options: BenchOptions): Promise<void> {
  const steps = options.steps ?? 300;
  const resolution = 5;
  const delay = monitorEventLoopDelay({ resolution });
  await watchTraining({
    model: 'dcgan',
    steps,
    every: 100,
    onStep: (step) => {
      // Loading the data and compiling JavaScript are not training.
      if (step === 10) delay.enable();
    },
  });
  delay.disable();
  const ms = (p: number) => delay.percentile(p) / 1e6;
  const result = { steps, p50: ms(50), p99: ms(99), max: delay.max / 1e6, resolution };
  console.log(
    `event-loop delay over ${steps} steps (timer resolution ${resolution} ms): p50 ${fixed(result.p50)} ms, ` +
      `p99 ${fixed(result.p99)} ms, max ${fixed(result.max)} ms`,
  );
  record(options.json, 'event-loop delay, DCGAN-28', result);
}
