// Training for a fixed amount of processor time, so that what else runs on the machine changes little: a budget of two
// minutes is four minutes of processor time, which is two on the clock with two cores to itself.

import { type TrainRunOptions, type TrainSummary, trainRun } from '../../src/train/run.js';

export interface BudgetedRun extends TrainSummary {
  /** On the clock. */
  seconds: number;
  /** Of the processor, all threads together. */
  cpuSeconds: number;
}

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Trains until the budget is spent or the model's own number of steps is reached. */
export async function trainFor(
  minutes: number,
  options: Omit<TrainRunOptions, 'signal' | 'onEvent'>,
): Promise<BudgetedRun> {
  const spent = new AbortController();
  const [began, start] = [cpuSeconds(), performance.now()];
  const summary = await trainRun({
    ...options,
    signal: spent.signal,
    onEvent(event) {
      if (event.type === 'warning') console.log(`  ${event.message}`);
      if (event.type !== 'step') return;
      if (cpuSeconds() - began >= minutes * 120) spent.abort();
      if (event.step % 500 === 0) {
        const parts = Object.entries(event.losses).map(([name, value]) => `${name} ${value.toFixed(3)}`);
        console.log(`  step ${event.step}: ${parts.join(', ')}`);
      }
    },
  });
  return {
    ...summary,
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: cpuSeconds() - began,
  };
}
