// Does InfoGAN's categorical code find the digits, without ever seeing a label? Trains for a fixed time with each seed,
// reads the code of every digit with the network Q, names each of its values after the digit that it stands for most
// often, and counts the digits that are then named wrongly. Beside it, the share of generated images whose digit, as the
// judge sees it, is not the one that their code stands for most often: what Q's reading of real images adds to that.
//
//   npx tsx bench/quality/infogan.ts [--minutes 2] [--seeds 1,2,3] [--config '{}'] [--json bench/results/quality-cpu.json]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HostRandom } from '../../src/data/random.js';
import { loadGenerator, loadRecogniser, openDataset } from '../../src/index.js';
import type { Code } from '../../src/models/model.js';
import { fixed, markdown, median, record } from '../report.js';
import { trainFor } from './budget.js';
import { openJudge } from './judge.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seeds: { type: 'string', default: '1,2,3' },
    config: { type: 'string', default: '{}' },
    json: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const seeds = values.seeds.split(',').map(Number);
const own = JSON.parse(values.config) as Record<string, unknown>;
const digits = 10;
const generated = 2000;

/** Which of a code's values each row says, the largest of `code.size` numbers from `start`. */
function valuesOf(rows: Float32Array, n: number, start: number, { size }: Code): Int32Array {
  const width = rows.length / n;
  return Int32Array.from({ length: n }, (_, i) => {
    const row = rows.subarray(i * width + start, i * width + start + size);
    return row.indexOf(Math.max(...row));
  });
}

/** The digits [value][digit] that go with the values of a code. */
function tableOf(codes: Int32Array, labels: ArrayLike<number>, { size }: Code): number[][] {
  const table = Array.from({ length: size }, () => new Array<number>(digits).fill(0));
  for (const [i, code] of codes.entries()) table[code][labels[i]] += 1;
  return table;
}

/** Share of the images whose digit is not the most frequent one of their value. */
function errorOf(table: readonly number[][]): number {
  const right = table.reduce((sum, row) => sum + Math.max(...row), 0);
  return 1 - right / table.flat().reduce((a, b) => a + b, 0);
}

const data = await openDataset('mnist');
const judge = await openJudge(data);
const pixels = await data.batch(
  Int32Array.from({ length: data.length }, (_, i) => i),
  new HostRandom(0),
);
const folder = await mkdtemp(join(tmpdir(), 'ganvas-infogan-'));
const results: { seed: number; steps: number; cpuSeconds: number; error: number; generatedError: number }[] =
  [];
try {
  for (const seed of seeds) {
    const config = { seed, device: 'cpu', sampleEvery: 1_000_000, saveEvery: 1_000_000, ...own };
    const out = join(folder, String(seed));
    const run = await trainFor(minutes, { model: 'infogan', data: 'mnist', out, config });

    const recogniser = await loadRecogniser(out, { device: 'cpu' });
    const code = recogniser.codes.find(({ kind }) => kind === 'categorical')!;
    const before = Math.min(...recogniser.codes.map(({ start }) => start));
    const found = await recogniser.recognise(pixels, data.length);
    const table = tableOf(valuesOf(found, data.length, code.start - before, code), data.labels!, code);
    recogniser.dispose();

    const generator = await loadGenerator(out, { device: 'cpu' });
    const z = await generator.latents(generated, 1);
    const { classes } = await judge.classifier.classify(await generator.generate(z, generated));
    const asked = valuesOf(z, generated, code.start, code);
    const generatedError = errorOf(tableOf(asked, classes, code));
    generator.dispose();

    const error = errorOf(table);
    results.push({ seed, steps: run.step, cpuSeconds: run.cpuSeconds, error, generatedError });
    for (const [value, row] of table.entries()) console.log(`${value}: ${row.join(' ')}`);
    console.log(
      `seed ${seed}: ${run.step} steps in ${fixed(run.seconds, 0)} s: the code names ${fixed(100 * error)} % ` +
        `of ${data.length} digits wrongly, and ${fixed(100 * generatedError)} % of generated ones`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
const errors = results.map(({ error }) => error);
record(values.json, 'infogan: code against digits', {
  minutes,
  config: own,
  runs: results,
  median: median(errors),
  best: Math.min(...errors),
});
const rows = results.map(({ seed, steps, error, generatedError }) => [
  String(seed),
  String(steps),
  `${fixed(100 * error)} %`,
  `${fixed(100 * generatedError)} %`,
]);
console.log(`\n${markdown(['seed', 'steps', 'error on real digits', 'on generated ones'], rows)}`);
judge.classifier.dispose();
