// Stacked MNIST (Metz et al. 2017; Srivastava et al. 2017): three random digits as red, green and blue make 1,000 modes.
// How many of them each model makes after a fixed time, of 25,600 samples judged by a digit classifier plane by plane,
// and KL(found ‖ uniform) in nats.
//
//   npx tsx bench/quality/stacked-mnist.ts [--models dcgan,r3gan] [--minutes 5] [--config '{}'] [--json bench/results/quality-cpu.json]
//                                          [--images docs/images/stacked]

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDataset } from '../../src/data/open.js';
import { writePngGrid } from '../../src/io/images.js';
import { loadGenerator } from '../../src/train/generator.js';
import { fixed, markdown, record } from '../report.js';
import { trainFor } from './budget.js';
import { openJudge } from './judge.js';

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'dcgan,wgan-gp,sngan,stylegan2,r3gan' },
    minutes: { type: 'string', default: '5' },
    json: { type: 'string' },
    images: { type: 'string' },
    config: { type: 'string', default: '{}' },
  },
});
const minutes = Number(values.minutes);
// Differences from the models' defaults, recorded with the result.
const own = JSON.parse(values.config) as Record<string, unknown>;
const samples = 25_600;
const modes = 1000;
const pictured = 64;

/** Plane c of RGB pixels, as grey images. */
function plane(pixels: Uint8Array, c: number): Uint8Array {
  return Uint8Array.from({ length: pixels.length / 3 }, (_, i) => pixels[3 * i + c]);
}

/** KL(p ‖ uniform) = Σ p log(p · modes). */
function divergenceFromUniform(counts: Int32Array): number {
  const total = counts.reduce((a, b) => a + b, 0);
  return counts.reduce(
    (sum, n) => (n === 0 ? sum : sum + (n / total) * Math.log((n / total) * counts.length)),
    0,
  );
}

const data = await openDataset('mnist', { height: 28, width: 28, channels: 1 });
const { classifier, accuracy } = await openJudge(data);
console.log(`the judge finds ${(100 * accuracy).toFixed(2)} % of the held-out digits`);

/** How often each mode is among samples. */
async function countModes(pixels: Uint8Array): Promise<Int32Array> {
  const [red, green, blue] = await Promise.all(
    [0, 1, 2].map(async (c) => (await classifier.classify(plane(pixels, c))).classes),
  );
  const counts = new Int32Array(modes);
  for (const [i, digit] of red.entries()) counts[100 * digit + 10 * green[i] + blue[i]]++;
  return counts;
}

const folder = await mkdtemp(join(tmpdir(), 'ganvas-stacked-'));
const rows: string[][] = [];
try {
  for (const model of values.models.split(',')) {
    console.log(model);
    const out = join(folder, model);
    const config = {
      seed: 1,
      device: 'cpu',
      classes: 0,
      sampleEvery: 1_000_000,
      saveEvery: 1_000_000,
      ...own,
    };
    const run = await trainFor(minutes, { model, data: 'stacked-mnist', out, config });
    const generator = await loadGenerator(out, { device: 'cpu' });
    const pixels = await generator.generate(await generator.latents(samples, 1), samples);
    const { height, width } = generator;
    generator.dispose();
    if (height !== 28 || width !== 28)
      throw new Error(`${model} makes ${height} x ${width} images, expected 28 x 28`);
    if (values.images) {
      await mkdir(values.images, { recursive: true });
      const shown = pixels.subarray(0, pictured * height * width * 3);
      const grid = { data: shown, count: pictured, height, width, channels: 3 };
      await writePngGrid(join(values.images, `${model}.png`), grid, { columns: 16 });
    }
    const counts = await countModes(pixels);
    const found = counts.filter((n) => n > 0).length;
    const kl = divergenceFromUniform(counts);
    const { step: steps, seconds, cpuSeconds } = run;
    record(values.json, `stacked MNIST: ${model}`, {
      minutes,
      steps,
      seconds,
      cpuSeconds,
      samples,
      found,
      kl,
    });
    rows.push([model, String(steps), fixed(seconds, 0), String(found), fixed(kl, 3)]);
    console.log(rows.at(-1)!.join('  '));
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(`\n${markdown(['model', 'steps', 'seconds', 'modes of 1,000', 'KL'], rows)}`);
classifier.dispose();
