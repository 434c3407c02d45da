// What every model of the family learns of the digits in a fixed time: classifier score, Fréchet distance on the
// classifier's features, digits found, and for conditional models the share of samples of the digit asked for. Trains
// with the command's defaults. Writes a line per model into the JSON file as soon as it is known, and its sample grid.
//
//   npx tsx bench/quality/family.ts [--models gan,dcgan] [--minutes 2] [--config '{}'] [--json bench/results/quality-cpu.json]
//                                   [--images docs/images/models]

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../../src/data/open.js';
import { writePngGrid } from '../../src/io/images.js';
import { everyClass } from '../../src/latents/labels.js';
import { models } from '../../src/models/registry.js';
import { loadGenerator } from '../../src/train/generator.js';
import { fixed, markdown, record } from '../report.js';
import { trainFor } from './budget.js';
import { type Judge, openJudge, type Verdict } from './judge.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string' },
    minutes: { type: 'string', default: '2' },
    json: { type: 'string' },
    images: { type: 'string' },
    config: { type: 'string', default: '{}' },
  },
});
const minutes = Number(values.minutes);
// Differences from the models' defaults, recorded with the result.
const own = JSON.parse(values.config) as Record<string, unknown>;
const names = values.models?.split(',') ?? Object.keys(models);
const samples = 2000;
const pictured = 64;

interface Result extends Verdict {
  steps: number;
  seconds: number;
  cpuSeconds: number;
}

async function learn(model: string, judge: Judge, folder: string): Promise<Result> {
  const out = join(folder, model);
  const config = { seed: 1, device: 'cpu', sampleEvery: 1_000_000, saveEvery: 1_000_000, ...own };
  const run = await trainFor(minutes, { model, data: 'mnist', out, config });
  const generator = await loadGenerator(out, { device: 'cpu' });
  const { height, width, channels, classes } = generator;
  const labels = classes === undefined ? undefined : everyClass(samples, classes);
  const pixels = await generator.generate(await generator.latents(samples, 1), samples, labels);
  generator.dispose();
  if (values.images) {
    await mkdir(values.images, { recursive: true });
    const data = pixels.subarray(0, pictured * height * width * channels);
    const grid = { data, count: pictured, height, width, channels };
    // Conditional models have a column for each digit.
    const columns = classes === undefined ? 16 : 10;
    const count = columns === 10 ? 60 : pictured;
    const shown = { ...grid, count, data: data.subarray(0, count * height * width * channels) };
    await writePngGrid(join(values.images, `${model}.png`), shown, { columns });
  }
  const { step: steps, seconds, cpuSeconds } = run;
  return { steps, seconds, cpuSeconds, ...(await judge.verdict(pixels, labels)) };
}

const data = await openDataset('mnist', { height: 28, width: 28, channels: 1 });
const judge = await openJudge(data);
console.log(`the judge finds ${(100 * judge.accuracy).toFixed(2)} % of the held-out digits`);
const folder = await mkdtemp(join(tmpdir(), 'ganvas-quality-'));
const rows: string[][] = [];
try {
  for (const model of names) {
    console.log(model);
    const result = await learn(model, judge, folder);
    record(values.json, model, { minutes, config: own, ...result });
    const { steps, seconds, score, frechet, found, confidence, asked } = result;
    rows.push([
      model,
      String(steps),
      fixed(seconds, 0),
      fixed(score, 2),
      fixed(frechet, 1),
      String(found),
      fixed(confidence, 3),
      asked === undefined ? '' : `${fixed(100 * asked)} %`,
    ]);
    console.log(rows.at(-1)!.join('  '));
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
const columns = ['model', 'steps', 'seconds', 'score', 'Fréchet', 'digits found', 'confidence', 'as asked'];
console.log(`\n${markdown(columns, rows)}`);
judge.classifier.dispose();
