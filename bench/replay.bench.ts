// Record and replay: what it saves, with the same training steps called and replayed in turn, and whether memory stays flat
// over 10,000 replays of the perceptron GAN's step (after warm-up nothing is allocated). One process, no files.

import { manualSeed, memory, setThreads, sync, Trainer, tensor, toUnitRange } from '../src/index.js';
import { modelEntry } from '../src/models/registry.js';
import { fixed, machine, markdown, median, record } from './report.js';
import type { BenchOptions } from './run.js';

export const question = 'What does replaying a step save, and does memory stay flat over 10,000 replays?';

const cases = {
  'perceptron GAN, batch 128': { model: 'gan', batch: 128, steps: 40 },
  'DCGAN-28, batch 64': { model: 'dcgan', batch: 64, steps: 8 },
};
type Case = (typeof cases)[keyof typeof cases];

function makeTrainer({ model, batch }: Case, capture: boolean): Trainer {
  manualSeed(0);
  const { schema, build } = modelEntry(model);
  const game = build(schema.resolve({}, 'bench'), { height: 28, width: 28, channels: 1 });
  const pixels = Uint8Array.from({ length: batch * 784 }, (_, i) => (i * 7919) % 256);
  return new Trainer({
    ...game,
    phases: game.phases.map((phase) => ({ ...phase, capture })),
    data: {
      next: async () => ({ images: toUnitRange(tensor(pixels, [batch, 28, 28, 1])), size: batch }),
      state: () => null,
      restore: () => {},
    },
  });
}

/** Milliseconds per step, and those of them in which JavaScript was busy. */
async function time(trainer: Trainer, n: number): Promise<{ ms: number; js: number }> {
  const [start, before] = [performance.now(), performance.eventLoopUtilization()];
  await trainer.run({ steps: trainer.steps + n });
  const { active } = performance.eventLoopUtilization(before);
  return { ms: (performance.now() - start) / n, js: active / n };
}

async function saving(title: string, work: Case, rounds: number): Promise<unknown> {
  const trainers = { called: makeTrainer(work, false), replayed: makeTrainer(work, true) };
  const readings: Record<string, { ms: number; js: number }[]> = { called: [], replayed: [] };
  for (let k = 0; k <= rounds; k++) {
    for (const [name, trainer] of Object.entries(trainers)) {
      const reading = await time(trainer, work.steps);
      if (k > 0) readings[name].push(reading); // the first round warms up
    }
  }
  const slow = Object.entries(trainers.replayed.captured).find(([, { replaying }]) => !replaying);
  if (slow) throw new Error(`phase ${slow[0]} is not replayed: ${slow[1].reason}`);
  for (const trainer of Object.values(trainers)) trainer.dispose();
  const result = Object.entries(readings).map(([name, list]) => ({
    name,
    ms: median(list.map(({ ms }) => ms)),
    js: median(list.map(({ js }) => js)),
  }));
  const rows = result.map(({ name, ms, js }) => [name, fixed(ms, 2), fixed(js, 2)]);
  console.log(`### ${title}\n\n${markdown(['steps are', 'ms per step', 'of it JavaScript'], rows)}`);
  return result;
}

async function soak(steps: number): Promise<unknown> {
  const trainer = makeTrainer(cases['perceptron GAN, batch 128'], true);
  await trainer.run({ steps: 100 });
  const readings: Record<'step' | 'stepsPerSecond' | 'tensors' | 'deviceMiB' | 'residentMiB', number>[] = [];
  for (let k = 0; k < 10; k++) {
    const { ms } = await time(trainer, Math.max(1, Math.round(steps / 10)));
    await sync();
    const { live, cached, tensors } = memory();
    readings.push({
      step: trainer.steps,
      stepsPerSecond: 1000 / ms,
      tensors,
      deviceMiB: (live + cached) / 2 ** 20,
      residentMiB: process.memoryUsage().rss / 2 ** 20,
    });
  }
  trainer.dispose();
  const rows = readings.map((r) => [
    String(r.step),
    fixed(r.stepsPerSecond),
    String(r.tensors),
    fixed(r.deviceMiB, 2),
    fixed(r.residentMiB, 0),
  ]);
  const columns = [
    'step',
    'steps per second',
    'live tensors',
    'device (live + cached), MiB',
    'resident, MiB',
  ];
  console.log(`### Replays of the perceptron GAN\n\n${markdown(columns, rows)}`);
  return readings;
}

export async function run(options: BenchOptions): Promise<void> {
  setThreads(machine().threads);
  const wanted = (title: string) => !options.case || title.includes(options.case);
  for (const [title, work] of Object.entries(cases)) {
    if (wanted(title))
      record(options.json, `replay, ${title}`, await saving(title, work, options.rounds ?? 5));
  }
  if (wanted('soak')) record(options.json, 'replay, soak', await soak(options.steps ?? 10_000));
}
