// Does `ganvas train MODEL --data mnist` learn the digits? Trains with the command's defaults for a fixed time, then a
// classifier trained with ganvas judges 2,000 samples: all ten digits, each 3 to 25 %, mean confidence at least 0.85.
//
//   npx tsx bench/quality/mnist.ts [--model dcgan] [--minutes 10] [--precision bf16] [--json FILE] [--grid FILE.png]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../../src/data/open.js';
import { writePngGrid } from '../../src/io/images.js';
import { loadGenerator } from '../../src/train/generator.js';
import { trainRun } from '../../src/train/run.js';
import { record } from '../report.js';
import { openJudge } from './judge.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'dcgan' },
    minutes: { type: 'string' },
    precision: { type: 'string', default: 'f32' },
    json: { type: 'string' },
    grid: { type: 'string' },
  },
});
const minutes = Number(values.minutes ?? 10);
const samples = 2000;

const data = await openDataset('mnist');
const folder = await mkdtemp(join(tmpdir(), 'ganvas-quality-'));
const judge = await openJudge(data);
const { accuracy } = judge;
console.log(`classifier: ${(accuracy * 100).toFixed(2)} % of the held-out digits`);

const clock = new AbortController();
const timer = setTimeout(() => clock.abort(), minutes * 60_000);
const began = performance.now();
const out = join(folder, 'run');
const summary = await trainRun({
  model: values.model,
  data: 'mnist',
  out,
  config: { seed: 1, precision: values.precision },
  signal: clock.signal,
  onEvent: (event) => {
    if (event.type === 'step' && event.step % 200 === 0) {
      const { lossD, lossG } = event.losses;
      console.log(
        `step ${event.step}: D ${lossD?.toFixed(3)}, G ${lossG?.toFixed(3)}, ${event.imagesPerSecond.toFixed(0)} images/s`,
      );
    }
  },
});
clearTimeout(timer);
const seconds = (performance.now() - began) / 1000;

const generator = await loadGenerator(out, { device: 'cpu' });
const images = await generator.generate(await generator.latents(samples, 1), samples);
const { shares, confidence, frechet } = await judge.verdict(images);
console.log(`${values.model}, ${values.precision}: ${summary.step} steps in ${seconds.toFixed(0)} s`);
console.log(`shares of 0–9: ${shares.map((s) => `${(s * 100).toFixed(1)} %`).join(', ')}`);
console.log(
  `mean confidence: ${confidence.toFixed(3)}; Fréchet distance of its features: ${frechet.toFixed(2)}`,
);
if (values.grid) {
  await writePngGrid(
    values.grid,
    { data: images.subarray(0, 64 * 784), count: 64, height: 28, width: 28, channels: 1 },
    { columns: 16 },
  );
}
if (values.json)
  record(values.json, `quality, ${values.model} ${values.precision} on the digits`, {
    accuracy,
    steps: summary.step,
    seconds,
    shares,
    meanConfidence: confidence,
    frechet,
  });
generator.dispose();
judge.classifier.dispose();
await rm(folder, { recursive: true });
const good = accuracy >= 0.97 && shares.every((s) => s >= 0.03 && s <= 0.25) && confidence >= 0.85;
console.log(good ? 'passed' : 'FAILED');
process.exitCode = good ? 0 : 1;
